//go:build unix

package server

import (
	"io/fs"
	"syscall"
)

// nonblock keeps the opening of a fifo that took a regular file's place from waiting for a writer.
const nonblock = syscall.O_NONBLOCK

// inode tells a file from another one renamed over it with the same size and time.
func inode(info fs.FileInfo) uint64 {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return uint64(st.Ino)
	}
	return 0
}
