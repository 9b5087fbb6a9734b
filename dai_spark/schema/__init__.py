"""What a row meets: the types of its columns on their way to the pipeline, and of its prediction.

::

    columns            the one table: what the pipeline is given for each type of column
    cast               a batch's values in these types, and the values that do not fit
    text_numbers       texts that are read as numbers
    zones              timestamps as the session's clock shows them
    prediction         the pipeline's answer in the shape that was asked for
    exact_cast         a column of an answer in the type that was described, value for value
    prediction_frame   a prediction as a pandas frame, with its integers as they are
    nan                predictions that are no scores
"""
