package watcher

import (
	"os"
	"syscall"
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

// device tells apart mounted file systems.
func device(dir string) uint64 {
	info, err := os.Stat(dir)
	if err != nil {
		return 0
	}
	st, _ := info.Sys().(*syscall.Stat_t)
	return uint64(st.Dev)
}
