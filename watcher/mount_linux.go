package watcher

import (
	"io"
	"os"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// unsure are the file systems, by statfs(2), on which others than this system's programs write, or whose events do
// not all arrive: a shared folder of a virtual machine or a container, a network drive.
var unsure = map[uint32]string{
	0x01021997: "9p", 0x65735546: "fuse", 0x00006969: "nfs", 0xff534d42: "cifs", 0xfe534d42: "smb", 0x0000517b: "smb",
	0x786f4256: "vboxsf", 0xbacbacbc: "vmhgfs", 0x7c7c6673: "prl_fs", 0x00c36400: "ceph", 0x5346414f: "afs", 0x0bd00bd0: "lustre",
}

// doubtful names the file system of dir if its events are not to be relied on; else it returns "".
func doubtful(dir string) string {
	var st syscall.Statfs_t
	if syscall.Statfs(dir, &st) != nil {
		return ""
	}
	return unsure[uint32(st.Type)]
}

// The mounts of this process's namespace. The kernel tells by poll(2) that something was mounted or unmounted, so that to
// ask is one system call.
type mounts struct {
	table  *os.File
	points map[string]string // what is mounted at a path
}

// openMounts returns nil if there is no table.
func openMounts() *mounts {
	// Not by os.Open: the runtime would poll it too, and take the answers away.
	fd, err := unix.Open("/proc/self/mountinfo", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil
	}
	m := &mounts{table: os.NewFile(uintptr(fd), "mountinfo")}
	m.points, _ = m.read()
	return m
}

// changed returns where another thing may be mounted than when it was last called. A place that is below says true of is
// among them whenever anything has changed: what is mounted there can have been mounted anew, and looks the same.
func (m *mounts) changed(below func(point string) bool) (points []string) {
	if m == nil {
		return nil
	}
	fds := []unix.PollFd{{Fd: int32(m.table.Fd()), Events: unix.POLLPRI}}
	if n, err := unix.Poll(fds, 0); n == 0 || err != nil {
		return nil
	}
	now, err := m.read()
	if err != nil {
		return nil
	}
	for p, was := range m.points {
		if now[p] != was || below(p) {
			points = append(points, p)
		}
	}
	for p := range now {
		if _, ok := m.points[p]; !ok {
			points = append(points, p)
		}
	}
	m.points = now
	return points
}

// read reads the table, whose format is that of proc_pid_mountinfo(5).
func (m *mounts) read() (map[string]string, error) {
	if _, err := m.table.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	text, err := io.ReadAll(m.table)
	if err != nil {
		return nil, err
	}
	points := map[string]string{}
	for line := range strings.Lines(string(text)) {
		f := strings.Fields(line)
		if len(f) < 5 {
			continue
		}
		point := escaped.Replace(f[4])
		points[point] += strings.Join(f[:4], " ") + "\n" // mount, parent, device, its directory; one line for each that lies on another
	}
	return points, nil
}

var escaped = strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`)

func (m *mounts) close() {
	if m != nil {
		m.table.Close()
	}
}
