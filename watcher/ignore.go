package watcher

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/bmatcuk/doublestar/v4"
)

// temporary are the names of files that editors and systems put beside the real
// ones. Dot files are not among them: .env belongs to a site.
var temporary = []string{
	"4913", "*.sw[nopx]", ".*.sw[a-z]", "*~", // Vim: probe, swap, backup
	".#*", "#*#", // Emacs: lock, auto-save
	"*___jb_tmp___", "*___jb_old___", // JetBrains
	".goutputstream-*", ".*.kate-swp", ".~lock.*#", // GNOME, KDE, LibreOffice
	".subl*.tmp", "*.tmp.[0-9]*", "*.crswap", // Sublime, node's write-file-atomic and Claude Code, Chrome
	".DS_Store", "._*", "Thumbs.db", "desktop.ini", // Finder, Explorer
	".nfs*", ".fuse_hidden*", // deleted while open
}

// An ignore decides by name what is not watched.
//
// Directories whose name starts with a dot and node_modules are ignored at every
// depth. Output folders are ignored directly below a root only: dist and coverage
// by their name alone, and names that a source folder could have as well (build,
// out, ...) only where the root's .gitignore says that they are no source.
// [Watcher.Watch] overrides all of it, path by path.
type ignore struct {
	globs  Globs
	output map[string]bool // paths
}

// Globs are patterns of what to ignore. A later one wins.
type Globs []glob

type glob struct {
	pattern string
	dir     bool // matches directories only
	name    bool // matches a name at any depth
	not     bool // takes back
}

func newIgnore(roots, patterns []string) (*ignore, error) {
	ig := &ignore{output: map[string]bool{}}
	for _, root := range roots {
		for _, name := range []string{"dist", "coverage"} {
			ig.output[filepath.Join(root, name)] = true
		}
		lines, _ := os.ReadFile(filepath.Join(root, ".gitignore")) // none is fine
		for line := range strings.Lines(string(lines)) {
			switch name := strings.Trim(strings.TrimSpace(line), "/"); name {
			case "build", "out", "target", "_site", "www":
				ig.output[filepath.Join(root, name)] = true
			}
		}
	}
	var err error
	ig.globs, err = ParseGlobs(patterns)
	return ig, err
}

// ParseGlobs reads patterns as those of [Options.Ignore].
func ParseGlobs(patterns []string) (Globs, error) {
	var globs Globs
	for _, p := range patterns {
		g := glob{pattern: filepath.ToSlash(strings.TrimSpace(p))}
		g.pattern, g.not = strings.CutPrefix(g.pattern, "!")
		g.pattern, g.dir = strings.CutSuffix(g.pattern, "/")
		g.name = !strings.Contains(g.pattern, "/")
		g.pattern = strings.TrimPrefix(strings.TrimPrefix(g.pattern, "./"), "/")
		if g.pattern == "" || !doublestar.ValidatePattern(g.pattern) {
			return nil, fmt.Errorf("watcher: ignore glob %q: not a valid pattern", p)
		}
		globs = append(globs, g)
	}
	return globs, nil
}

// match reports whether the file or directory at name, which lies below root, is
// ignored, given that its parent is not.
func (ig *ignore) match(root, name string, dir bool) bool {
	base := filepath.Base(name)
	ignored := false
	if dir {
		ignored = base[0] == '.' || base == "node_modules" || ig.output[name]
	} else {
		for _, t := range temporary {
			if ok, _ := path.Match(t, base); ok {
				ignored = true
				break
			}
		}
	}
	if len(ig.globs) == 0 {
		return ignored
	}
	rel := filepath.ToSlash(strings.TrimPrefix(name[len(root):], string(filepath.Separator)))
	return ig.globs.Ignore(rel, dir, ignored)
}

// Ignore reports whether the file or directory at name, relative and slash-separated, is ignored, if it is ignored or
// not without the globs.
func (gs Globs) Ignore(name string, dir, ignored bool) bool {
	for _, g := range gs {
		subject := name
		if g.name {
			subject = path.Base(name)
		}
		if g.not == ignored && (dir || !g.dir) && doublestar.MatchUnvalidated(g.pattern, subject) {
			ignored = !g.not
		}
	}
	return ignored
}

// matchBelow reports whether name or a directory between root and it is ignored.
func (ig *ignore) matchBelow(root, name string) bool {
	for i := len(root) + 1; i < len(name); i++ {
		if os.IsPathSeparator(name[i]) && ig.match(root, name[:i], true) {
			return true
		}
	}
	return ig.match(root, name, false)
}
