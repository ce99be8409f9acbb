package watcher

import (
	"hash/maphash"
	"io"
	"io/fs"
	"os"
	"time"
)

const (
	// maxHash is the size up to which content decides whether a file changed:
	// above it, reading takes longer than the needless build that it may save.
	maxHash = 4 << 20

	// maxFill bounds what is read ahead in all. A file beyond it is reported
	// once needlessly if its first write has equal content.
	maxFill = 256 << 20

	// racy is how fresh a time stamp may be so that a later write could still get
	// the same one, on file systems with coarser clocks too.
	racy = 50 * time.Millisecond
)

type kind uint8

const (
	absent     kind = iota // nothing, or nothing with content: a fifo, a socket, a device
	stated                 // a file of which only the metadata is known
	hashed                 // a file whose content is known
	unreadable             // a file that cannot be opened
	directory
)

// A file is what is known of a path. The zero value is an absent one.
type file struct {
	size         int64
	mtime, ctime int64 // nanoseconds
	inode        uint64
	hash         uint64
	kind         kind
	fresh        bool // a write with the same time stamps may have come after
}

// differing equals nothing, nor is it as empty as a file that is about to be written.
var differing = file{kind: stated, size: 1, fresh: true}

// seed makes hashes of this process comparable with each other.
var seed = maphash.MakeSeed()

// stat follows symbolic links and opens nothing.
func stat(path string) file {
	info, err := os.Stat(path)
	if err != nil {
		return file{}
	}
	return fileOf(info)
}

func fileOf(info fs.FileInfo) file {
	switch {
	case info.IsDir():
		return file{kind: directory}
	case !info.Mode().IsRegular():
		return file{}
	}
	f := file{kind: stated, size: info.Size(), mtime: info.ModTime().UnixNano()}
	f.inode, f.ctime = inodeOf(info)
	f.fresh = time.Now().UnixNano()-max(f.mtime, f.ctime) < int64(racy)
	return f
}

// read is stat and, for a file of up to maxHash bytes that is not being written,
// the hash of its content.
func read(path string) file {
	f := stat(path)
	if f.kind != stated || f.size > maxHash {
		return f
	}
	// It may have become a fifo since: nonblock makes opening one return at once.
	r, err := os.OpenFile(path, os.O_RDONLY|nonblock, 0)
	if err != nil {
		f.kind = unreadable
		if os.IsNotExist(err) {
			f = file{}
		}
		return f
	}
	defer r.Close()
	info, err := r.Stat()
	if err != nil {
		f.kind = unreadable
		return f
	}
	if f = fileOf(info); f.kind != stated || f.size > maxHash {
		return f
	}
	var h maphash.Hash
	h.SetSeed(seed)
	n, err := io.CopyN(&h, r, f.size+1) // by a buffer of that size at most
	if err != nil && err != io.EOF {
		f.kind = unreadable
		return f
	}
	// Content that does not belong to the metadata is worse than none: the next
	// look would find either of them unchanged.
	after, err := r.Stat()
	if err != nil || n != f.size || !sameStat(f, fileOf(after)) || f.ctime != fileOf(after).ctime {
		f.fresh = true
		return f
	}
	f.kind, f.hash = hashed, h.Sum64()
	return f
}

// sameStat reports whether the metadata shows no write between a and b.
func sameStat(a, b file) bool {
	return a.size == b.size && a.mtime == b.mtime && a.inode == b.inode
}

// differs reports whether b must be read to know whether it is the same as a.
func differs(a, b file) bool {
	return a.fresh || !sameStat(a, b) || a.ctime != b.ctime || isFile(a) != isFile(b)
}

// same reports whether a and b have the same content, as far as it is known.
func same(a, b file) bool {
	switch {
	case a.kind == hashed && b.kind == hashed:
		return a.size == b.size && a.hash == b.hash
	case isFile(a) && isFile(b) && (a.kind == unreadable) == (b.kind == unreadable):
		return sameStat(a, b) && a.ctime == b.ctime && !a.fresh // a file that is too large to read may have its old time again
	}
	return a.kind == b.kind
}

func isFile(f file) bool { return f.kind == stated || f.kind == hashed || f.kind == unreadable }
