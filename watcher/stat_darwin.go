package watcher

import (
	"io/fs"
	"syscall"
)

const (
	nonblock = syscall.O_NONBLOCK
	openOnly = syscall.O_RDONLY
)

func inodeOf(info fs.FileInfo) (inode uint64, ctime int64) {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return st.Ino, st.Ctimespec.Nano()
	}
	return 0, info.ModTime().UnixNano()
}
