import java.io.FileOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Stream;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.hdfs.MiniDFSCluster;
import org.apache.hadoop.yarn.api.records.Resource;
import org.apache.hadoop.yarn.conf.YarnConfiguration;
import org.apache.hadoop.yarn.server.MiniYARNCluster;
import org.apache.hadoop.yarn.server.nodemanager.ContainerExecutor;
import org.apache.hadoop.yarn.server.nodemanager.DefaultContainerExecutor;

/**
 * A real YARN, a resource manager and two node managers, over a real HDFS.
 *
 * <p>java Yarn.java FOLDER FILE...: writes FOLDER/conf for clients, puts the files into /given, prints
 * "ready" and the URI of the HDFS, and ends when its standard input does.  With MEMORY_GROUPS, a folder
 * of control groups of memory, each container has a group of its own there, with its memory as limit.
 */
public class Yarn {
  /**
   * Starts each container in a control group, as YARN's LinuxContainerExecutor does; that one is a
   * program of C which only Hadoop's own archive brings.
   */
  public static class Grouped extends DefaultContainerExecutor {
    @Override
    protected String[] getRunCommand(
        String command, String container, String user, org.apache.hadoop.fs.Path pidFile,
        Configuration configuration, Resource resource) {
      String[] plain =
          super.getRunCommand(command, container, user, pidFile, configuration, resource);
      Path group = Path.of(System.getenv("MEMORY_GROUPS"), container);
      try {
        Files.createDirectories(group);
        Files.writeString(
            group.resolve("memory.limit_in_bytes"), Long.toString(resource.getMemorySize() << 20));
      } catch (IOException error) {
        throw new UncheckedIOException(error);
      }
      String enter = "echo $$ > " + group + "/cgroup.procs; exec \"$@\"";
      String[] shell = {"bash", "-c", enter, "container"};
      return Stream.of(shell, plain).flatMap(Stream::of).toArray(String[]::new);
    }
  }

  public static void main(String[] arguments) throws Exception {
    Path folder = Path.of(arguments[0]).toAbsolutePath();
    Configuration configuration = new YarnConfiguration();
    configuration.set(MiniDFSCluster.HDFS_MINIDFS_BASEDIR, folder.resolve("hdfs").toString());
    MiniDFSCluster files = new MiniDFSCluster.Builder(configuration).numDataNodes(1).build();
    files.waitActive();
    files.getFileSystem().mkdirs(new org.apache.hadoop.fs.Path("/given"));
    configuration.set("fs.defaultFS", files.getFileSystem().getUri().toString());
    configuration.set("yarn.scheduler.capacity.root.queues", "default");
    configuration.set("yarn.scheduler.capacity.root.default.capacity", "100");
    configuration.set("yarn.scheduler.capacity.maximum-am-resource-percent", "0.8");
    configuration.set("yarn.scheduler.minimum-allocation-mb", "256");
    configuration.set("yarn.nodemanager.vmem-check-enabled", "false");
    // What a container holds in real memory is looked at every second, as a small test needs it.
    configuration.set("yarn.nodemanager.pmem-check-enabled", "true");
    configuration.set("yarn.nodemanager.container-monitor.interval-ms", "1000");
    if (System.getenv("MEMORY_GROUPS") != null) {
      // Of a source file that runs without being compiled before.
      configuration.setClassLoader(Yarn.class.getClassLoader());
      Thread.currentThread().setContextClassLoader(Yarn.class.getClassLoader());
      configuration.setClass(
          "yarn.nodemanager.container-executor.class", Grouped.class, ContainerExecutor.class);
    }
    MiniYARNCluster cluster = new MiniYARNCluster("cluster", 2, 1, 1);
    cluster.init(configuration);
    cluster.start();
    Path written = folder.resolve("conf");
    written.toFile().mkdirs();
    Configuration told = new Configuration(cluster.getConfig());
    // The small HDFS names a class of its own, which clients do not have.
    told.set("net.topology.node.switch.mapping.impl", "org.apache.hadoop.net.ScriptBasedMapping");
    for (String name : new String[] {"core-site.xml", "hdfs-site.xml", "yarn-site.xml"}) {
      try (OutputStream out = new FileOutputStream(written.resolve(name).toFile())) {
        told.writeXml(out);
      }
    }
    for (int i = 1; i < arguments.length; i++) {
      files.getFileSystem().copyFromLocalFile(
          new org.apache.hadoop.fs.Path(arguments[i]), new org.apache.hadoop.fs.Path("/given/"));
    }
    System.out.println("ready " + files.getFileSystem().getUri());
    System.out.flush();
    while (System.in.read() >= 0) {}
    cluster.stop();
    files.shutdown(true);
    System.exit(0);
  }
}
