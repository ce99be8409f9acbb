package server

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/devserve/devserve/internal/ctime"
	"github.com/devserve/devserve/internal/private"
)

// publicDir is the folder whose files are also, and first, found at the site's root, as they are:
// never compiled, whatever asks for them. It is what Vite's publicDir is.
const publicDir = "public"

// smallFile is the size in bytes up to which a file is read whole, so that its ETag is the hash
// of just the bytes that are sent, and two saves within one tick of the file system's clock
// differ. Hashing this much takes less than a millisecond.
const smallFile = 1 << 20

// sniffLen is how much of a larger file is looked at for its content type.
const sniffLen = 64 << 10

// A refusal is an error with the status and the words it is answered with. The
// words never hold a path of this machine.
type refusal struct {
	status int
	text   string
}

func (e *refusal) Error() string { return e.text }

var (
	errNotFound   = &refusal{http.StatusNotFound, "there is no such file"}
	errDenied     = &refusal{http.StatusNotFound, "files of this name are never served"}
	errOutside    = &refusal{http.StatusNotFound, "a symbolic link here leaves the site's folder"}
	errPermission = &refusal{http.StatusForbidden, "the file system denies reading this"}
	errIrregular  = &refusal{http.StatusForbidden, "this is neither a regular file nor a folder"}
	errReading    = &refusal{http.StatusInternalServerError, "this could not be read"}
)

// refuse turns an error of the file system into what the page may know of it.
func refuse(err error) *refusal {
	var r *refusal
	switch {
	case errors.As(err, &r):
		return r
	case errors.Is(err, fs.ErrPermission):
		return errPermission
	}
	return errNotFound // it is not there, or not under a name that the system takes
}

// files is the site's folder as the outside may see it: regular files and folders inside
// of it, by names that are not [private.Name]. The folder itself may come and go.
//
// Every request resolves links first, asks the deny list about the result, and then
// opens that result through an [os.Root]: what the check saw is what is opened, and
// a link slipped in between cannot lead outside.
type files struct {
	dir  string // absolute, links resolved
	base string // URL prefix, for Devserve-Page
}

// A file is a regular file or a folder of the site.
type file struct {
	name string // slash-separated, relative to the site; "." is the site itself
	real string // the same with links followed
	info fs.FileInfo
}

// isPublic reports whether the file is one of the public folder.
func (e file) isPublic() bool { return strings.HasPrefix(e.name, publicDir+"/") }

// find returns what the site shows under name: a file of the public folder, else a file of the
// site, else a folder. Name is relative, "" for the site itself.
func (f files) find(name string) (file, *refusal) {
	if name == "" {
		return f.stat(".")
	}
	if !fs.ValidPath(name) {
		return file{}, errNotFound
	}
	var dir file
	refused := errNotFound
	for _, name := range [...]string{path.Join(publicDir, name), name} {
		e, r := f.stat(name)
		switch {
		case r == errNotFound:
		case r != nil:
			refused = r
		case e.info.IsDir():
			dir = e
		default:
			return e, nil
		}
	}
	if dir.info != nil {
		return dir, nil
	}
	return file{}, refused
}

// regular is find for those who have no use for a folder.
func (f files) regular(name string) (file, bool) {
	e, refused := f.find(name)
	return e, refused == nil && !e.info.IsDir()
}

func (f files) stat(name string) (file, *refusal) {
	if private.Name(name) {
		return file{}, errDenied
	}
	full, err := filepath.EvalSymlinks(filepath.Join(f.dir, filepath.FromSlash(name)))
	if err != nil {
		return file{}, refuse(err)
	}
	rel, err := filepath.Rel(f.dir, full)
	if err != nil || !filepath.IsLocal(rel) {
		return file{}, errOutside
	}
	e := file{name: name, real: filepath.ToSlash(rel)}
	if private.Name(e.real) {
		return file{}, errDenied
	}
	root, err := os.OpenRoot(f.dir)
	if err != nil {
		return file{}, refuse(err)
	}
	defer root.Close()
	if e.info, err = root.Lstat(rel); err != nil {
		return file{}, refuse(err)
	}
	if !e.info.IsDir() && !e.info.Mode().IsRegular() { // a fifo would have us wait for its writer
		return file{}, errIrregular
	}
	return e, nil
}

// open opens what stat saw. The caller closes it.
func (f files) open(e file) (*os.File, fs.FileInfo, *refusal) {
	root, err := os.OpenRoot(f.dir)
	if err != nil {
		return nil, nil, refuse(err)
	}
	defer root.Close()
	h, err := root.OpenFile(filepath.FromSlash(e.real), os.O_RDONLY|nonblock, 0)
	if err != nil {
		return nil, nil, refuse(err)
	}
	info, err := h.Stat()
	switch {
	case err != nil:
		h.Close()
		return nil, nil, refuse(err)
	case info.IsDir() != e.info.IsDir() || !info.IsDir() && !info.Mode().IsRegular():
		h.Close()
		return nil, nil, errIrregular
	}
	return h, info, nil
}

// index returns the index page of a folder.
func (f files) index(dir string) (file, bool) { return f.regular(path.Join(dir, "index.html")) }

// fallback returns the index page nearest to name, going up, for an application that
// makes its own routes.
func (f files) fallback(name string) (file, bool) {
	for {
		name = name[:max(0, strings.LastIndexByte(name, '/'))]
		if e, ok := f.index(name); ok || name == "" {
			return e, ok
		}
	}
}

// page returns the HTML file that a browser at the URL path name shows.
func (f files) page(name string) (file, bool) {
	name = strings.TrimSuffix(name, "/")
	for _, n := range [...]string{name, name + ".html", path.Join(name, "index.html")} {
		if e, ok := f.regular(n); ok {
			return e, true
		}
	}
	return f.fallback(name)
}

// serve answers with the file as it is: type, ETag, ranges, conditions, HEAD.
//
// There is no Last-Modified: its seconds are too coarse for two saves in a row, and a client that
// trusted it would show the older one.
func (f files) serve(w http.ResponseWriter, r *http.Request, e file) *refusal {
	h, info, refused := f.open(e)
	if refused != nil {
		return refused
	}
	defer h.Close()

	head, err := io.ReadAll(io.LimitReader(h, limit(info)))
	if err != nil {
		return errReading
	}
	var content io.ReadSeeker = h
	var etag string
	small := info.Size() <= smallFile && len(head) <= smallFile
	if small {
		content, etag = bytes.NewReader(head), hashTag(head)
	} else if !ctime.Fresh(info) { // or the next save may look the same
		etag = fmt.Sprintf(`"%x-%x-%x-%x"`, info.Size(), info.ModTime().UnixNano(), ctime.Of(info).UnixNano(), inode(info))
	}

	header := w.Header()
	t := contentType(e.name, head, small)
	header.Set("Content-Type", t)
	header.Set("Cache-Control", "no-cache")
	if etag != "" {
		header.Set("ETag", etag)
	}
	if strings.HasPrefix(t, "text/html") {
		header.Set("Devserve-Page", f.base+strings.TrimPrefix(e.name, publicDir+"/"))
	}
	http.ServeContent(w, r, "", time.Time{}, content)
	return nil
}

// limit is how much of a file is read before it is answered: one byte more than a small file
// has, as it may have grown since.
func limit(info fs.FileInfo) int64 {
	if info.Size() <= smallFile {
		return smallFile + 1
	}
	return sniffLen
}

// hashTag is an ETag by content.
func hashTag(data []byte) string {
	sum := sha256.Sum256(data)
	return `"` + base64.RawURLEncoding.EncodeToString(sum[:15]) + `"`
}
