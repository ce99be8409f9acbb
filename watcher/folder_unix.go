//go:build linux || darwin

package watcher

import "golang.org/x/sys/unix"

// A folder is a directory that is held open while its entries are looked at, so that the system need not follow the whole
// path for each: 1.8µs a file instead of the 10.6µs of os.Lstat (measured side by side on a busy machine; statx takes as
// long as fstatat).
type folder struct {
	fd    int
	id    identity
	mtime int64 // nanoseconds
}

// An identity tells a directory from others that have been or will be at its path. The zero one is unknown.
type identity struct{ dev, ino uint64 }

func identify(path string) (identity, error) {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return identity{}, err
	}
	return identity{uint64(st.Dev), st.Ino}, nil
}

func (id identity) device() uint64           { return id.dev }
func (id identity) same(other identity) bool { return id == other }

func openFolder(path string) (folder, error) {
	fd, err := unix.Open(path, openOnly|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return folder{}, err
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		unix.Close(fd)
		return folder{}, err
	}
	return folder{fd, identity{uint64(st.Dev), st.Ino}, st.Mtim.Nano()}, nil
}

func (f folder) close() { unix.Close(f.fd) }

// file is what is known at once of the entry name; ok is false if it is no regular file. Whether it is fresh is not said.
func (f folder) file(name string) (_ file, ok bool) {
	var st unix.Stat_t
	if unix.Fstatat(f.fd, name, &st, unix.AT_SYMLINK_NOFOLLOW) != nil || uint32(st.Mode)&unix.S_IFMT != unix.S_IFREG {
		return file{}, false
	}
	return file{kind: stated, size: st.Size, mtime: st.Mtim.Nano(), ctime: st.Ctim.Nano(), inode: st.Ino}, true
}
