import java.io.FileOutputStream;
import java.io.OutputStream;
import java.nio.file.Path;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.hdfs.MiniDFSCluster;
import org.apache.hadoop.yarn.conf.YarnConfiguration;
import org.apache.hadoop.yarn.server.MiniYARNCluster;

/**
 * A real YARN, a resource manager and two node managers, over a real HDFS: java Yarn.java FOLDER.
 *
 * <p>Writes FOLDER/conf for clients, prints "ready", and ends when its standard input does.
 */
public class Yarn {
  public static void main(String[] arguments) throws Exception {
    Path folder = Path.of(arguments[0]).toAbsolutePath();
    Configuration configuration = new YarnConfiguration();
    configuration.set(MiniDFSCluster.HDFS_MINIDFS_BASEDIR, folder.resolve("hdfs").toString());
    MiniDFSCluster files = new MiniDFSCluster.Builder(configuration).numDataNodes(1).build();
    files.waitActive();
    configuration.set("fs.defaultFS", files.getFileSystem().getUri().toString());
    configuration.set("yarn.scheduler.capacity.root.queues", "default");
    configuration.set("yarn.scheduler.capacity.root.default.capacity", "100");
    configuration.set("yarn.scheduler.capacity.maximum-am-resource-percent", "0.8");
    configuration.set("yarn.scheduler.minimum-allocation-mb", "256");
    configuration.set("yarn.nodemanager.vmem-check-enabled", "false");
    // What a container holds in real memory is looked at every second, as a small test needs it.
    configuration.set("yarn.nodemanager.pmem-check-enabled", "true");
    configuration.set("yarn.nodemanager.container-monitor.interval-ms", "1000");
    // Its files stay for half a minute, else its logs would be gone with it.
    configuration.set("yarn.nodemanager.delete.debug-delay-sec", "0");
    MiniYARNCluster cluster = new MiniYARNCluster("cluster", 2, 1, 1);
    cluster.init(configuration);
    cluster.start();
    Path written = folder.resolve("conf");
    written.toFile().mkdirs();
    for (String name : new String[] {"core-site.xml", "hdfs-site.xml", "yarn-site.xml"}) {
      try (OutputStream out = new FileOutputStream(written.resolve(name).toFile())) {
        cluster.getConfig().writeXml(out);
      }
    }
    System.out.println("ready");
    System.out.flush();
    while (System.in.read() >= 0) {}
    cluster.stop();
    files.shutdown(true);
    System.exit(0);
  }
}
