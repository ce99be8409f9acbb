package watcher

import (
	"io/fs"
	"syscall"

	"golang.org/x/sys/unix"
)

const (
	nonblock = syscall.O_NONBLOCK
	openOnly = unix.O_PATH // to look at what is in a directory, without the right to list it
)

func inodeOf(info fs.FileInfo) (inode uint64, ctime int64) {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return st.Ino, st.Ctim.Nano()
	}
	return 0, info.ModTime().UnixNano()
}
