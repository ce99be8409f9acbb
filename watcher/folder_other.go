//go:build !linux && !darwin

package watcher

import (
	"os"
	"path/filepath"
	"syscall"
)

// A folder is a directory whose entries are looked at.
type folder struct {
	path  string
	id    identity
	mtime int64 // nanoseconds
}

// An identity tells a directory from others that have been or will be at its path. The zero one is unknown.
type identity struct{ info os.FileInfo }

func identify(path string) (identity, error) {
	info, err := os.Stat(path)
	return identity{info}, err
}

// device has no cheap answer here: what events do not tell is noticed when it is compared.
func (id identity) device() uint64 { return 0 }

func (id identity) same(other identity) bool {
	return id.info == nil && other.info == nil || id.info != nil && other.info != nil && os.SameFile(id.info, other.info)
}

func openFolder(path string) (folder, error) {
	info, err := os.Stat(path)
	if err != nil {
		return folder{}, err
	}
	if !info.IsDir() {
		return folder{}, syscall.ENOTDIR
	}
	return folder{path, identity{info}, info.ModTime().UnixNano()}, nil
}

func (f folder) close() {}

// file is what is known at once of the entry name; ok is false if it is no regular file.
func (f folder) file(name string) (_ file, ok bool) {
	info, err := os.Lstat(filepath.Join(f.path, name))
	if err != nil || !info.Mode().IsRegular() {
		return file{}, false
	}
	return fileOf(info), true
}
