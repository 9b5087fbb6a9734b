import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.fs.permission.FsPermission;
import org.apache.hadoop.hdfs.MiniDFSCluster;

/**
 * A real HDFS, name node and one data node: java Hdfs.java FOLDER.
 *
 * <p>Prints the name node's port when everybody may write and the folder /locked is closed to all
 * but the user that runs this, and ends when its standard input does.
 */
public class Hdfs {
  public static void main(String[] arguments) throws Exception {
    Configuration configuration = new Configuration();
    configuration.set(MiniDFSCluster.HDFS_MINIDFS_BASEDIR, arguments[0]);
    MiniDFSCluster cluster =
        new MiniDFSCluster.Builder(configuration).numDataNodes(1).format(true).build();
    cluster.waitActive();
    FileSystem files = cluster.getFileSystem();
    files.setPermission(new Path("/"), new FsPermission((short) 0777));
    files.create(new Path("/locked/license.sig")).close();
    files.setPermission(new Path("/locked"), new FsPermission((short) 0700));
    System.out.println("port " + cluster.getNameNodePort());
    System.out.flush();
    while (System.in.read() >= 0) {}
    cluster.shutdown(true);
    System.exit(0);
  }
}
