package command

import (
	"crypto/sha256"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/devserve/devserve/internal/ctime"
)

// A snapshot is the content that each watched file had when it was last looked at. It is used by one goroutine.
type snapshot struct {
	watches []*watch
	files   map[string]content // by slash-separated absolute path
}

type content struct {
	size    int64
	time    time.Time // of the last change
	certain bool      // time is that of no later write
	sum     [sha256.Size]byte
}

func newSnapshot(watches []*watch) *snapshot {
	return &snapshot{watches: watches, files: map[string]content{}}
}

// look compares the files at paths, and returns those that have another content now, or came, or went.
func (s *snapshot) look(paths []string) []string {
	var changed []string
	embeds := false
	for _, p := range paths {
		p = filepath.ToSlash(filepath.Clean(p))
		if s.watched(p) {
			differs, e := s.compare(p, nil)
			if differs {
				changed = append(changed, p)
			}
			embeds = embeds || e
		}
	}
	if embeds {
		s.scan() // what is embedded from now on is known from now on
	}
	return changed
}

// scan compares all watched files.
func (s *snapshot) scan() []string {
	var changed []string
	seen := map[string]bool{}
	for again := true; again; { // a file may embed others
		again = false
		var bases []string
		for _, w := range s.watches {
			bases = append(bases, w.bases()...)
		}
		for _, base := range outermost(bases) {
			s.walk(base, bases, func(p string, info fs.FileInfo) {
				if seen[p] || !s.watched(p) {
					return
				}
				seen[p] = true
				differs, embeds := s.compare(p, info)
				if differs {
					changed = append(changed, p)
				}
				again = again || embeds
			})
		}
	}
	for p := range s.files {
		if !seen[p] {
			if differs, _ := s.compare(p, nil); differs {
				changed = append(changed, p)
			}
		}
	}
	return changed
}

// walk calls each for the files below base but not in hidden directories, unless one of keep is there.
func (s *snapshot) walk(base string, keep []string, each func(string, fs.FileInfo)) {
	_ = filepath.WalkDir(filepath.FromSlash(base), func(name string, d fs.DirEntry, err error) error {
		p := filepath.ToSlash(name)
		switch {
		case err != nil:
			return nil // it is not there, or not for us
		case d.IsDir():
			if p != base && isHidden(d.Name()) && !s.leads(p, keep) {
				return fs.SkipDir
			}
		default:
			info, err := d.Info()
			if err == nil && d.Type()&fs.ModeSymlink != 0 {
				info, err = os.Stat(name)
			}
			if err == nil && info.Mode().IsRegular() {
				each(p, info)
			}
		}
		return nil
	})
}

// leads reports whether a glob names the hidden directory dir, or something below it.
func (s *snapshot) leads(dir string, keep []string) bool {
	for _, k := range keep {
		if _, ok := below(dir, k); ok || k == dir {
			return true
		}
	}
	for _, w := range s.watches {
		for _, g := range w.globs {
			if _, ok := below(g.base, dir); ok && g.hidden {
				return true
			}
		}
	}
	return false
}

func (s *snapshot) watched(p string) bool {
	for _, w := range s.watches {
		if w.match(p) {
			return true
		}
	}
	return false
}

// compare looks at p and reports whether its content differs from what was known, and whether it embeds other
// files than before. With info, which a walk has found, a file of known size and time is not read.
func (s *snapshot) compare(p string, info fs.FileInfo) (differs, embeds bool) {
	old, known := s.files[p]
	if info != nil && known && old.certain && old.size == info.Size() && old.time.Equal(ctime.Of(info)) {
		return false, false
	}
	now, goText, err := read(p)
	if err != nil {
		if !known {
			return false, false
		}
		delete(s.files, p)
		goText = nil
	} else {
		s.files[p] = now
	}
	for _, w := range s.watches {
		embeds = w.read(p, goText) || embeds
	}
	return !known || err != nil || old.sum != now.sum, embeds
}

// read returns what the file at p holds, and its text if it is a Go file.
func read(p string) (content, []byte, error) {
	name := filepath.FromSlash(p)
	if info, err := os.Stat(name); err != nil || !info.Mode().IsRegular() {
		return content{}, nil, fs.ErrNotExist // a fifo is not opened
	}
	f, err := os.Open(name)
	if err != nil {
		return content{}, nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return content{}, nil, err
	}
	c := content{size: info.Size(), time: ctime.Of(info), certain: !ctime.Fresh(info)}
	if strings.HasSuffix(p, ".go") {
		text, err := io.ReadAll(f)
		c.sum = sha256.Sum256(text)
		return c, text, err
	}
	hash := sha256.New()
	_, err = io.Copy(hash, f)
	hash.Sum(c.sum[:0])
	return c, nil, err
}
