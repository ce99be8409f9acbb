package watcher

import (
	"io/fs"
	"syscall"
)

const nonblock = syscall.O_NONBLOCK

func inodeOf(info fs.FileInfo) (inode uint64, ctime int64) {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return st.Ino, st.Ctim.Nano()
	}
	return 0, info.ModTime().UnixNano()
}
