"""An export as it comes: whatever it is packed in, and what its small files say.

::

    open_export         a path to the files of the export that lies there
    export_files        the files of an export by name, whatever it is packed in
    zip_files           those of a zip
    tar_files           those of a tar, compressed or not
    folder_files        those of a folder
    links               links in an archive, to the files that they lead to
    scoring_wheel       which file is the scoring wheel, and whether it can be unpacked
    temporary           what lies below tmp/
    text                the bytes of a text file, whatever wrote it
    example             columns that example.py declares
    statistics          columns of the training data's statistics
    experiment_summary  target and labels, as the experiment's summary tells them
"""
