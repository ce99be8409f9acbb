package command

import (
	"bufio"
	"bytes"
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/bmatcuk/doublestar/v4"
)

// goFiles are what `go build` reads, but for what //go:embed names.
var goFiles = []string{"**/*.go", "go.mod", "go.sum", "go.work", "go.work.sum"}

// A watch is the set of files that a command reads. Its paths are absolute and slash-separated.
type watch struct {
	dir    string
	globs  []glob
	ignore []string

	isGo   bool              // what //go:embed names counts too, and tests do not
	embeds map[string][]glob // by the file that names them
}

// A glob is a pattern below a directory that it names literally.
type glob struct {
	base    string
	pattern string // doublestar's
	hidden  bool   // it names a hidden directory
}

func newWatch(dir string, globs, ignore []string) (watch, error) {
	w := watch{dir: filepath.ToSlash(dir), embeds: map[string][]glob{}}
	for _, g := range globs {
		pattern := filepath.ToSlash(strings.TrimSpace(g))
		if pattern == "" || !doublestar.ValidatePattern(pattern) {
			return w, fmt.Errorf("command: watch glob %q: not a valid pattern", g)
		}
		w.globs = append(w.globs, newGlob(w.dir, pattern)...)
	}
	for _, g := range ignore {
		pattern := strings.TrimPrefix(filepath.ToSlash(strings.TrimSpace(g)), "./")
		if pattern == "" || !doublestar.ValidatePattern(pattern) {
			return w, fmt.Errorf("command: ignore glob %q: not a valid pattern", g)
		}
		if before, ok := strings.CutSuffix(pattern, "/"); ok {
			pattern = before + "/**"
		} else if !strings.Contains(pattern, "/") {
			pattern = "**/" + pattern
		}
		if !path.IsAbs(pattern) && !filepath.IsAbs(pattern) {
			pattern = path.Join(escape(w.dir), pattern)
		}
		w.ignore = append(w.ignore, pattern)
	}
	return w, nil
}

// newGlob is the glob that pattern means in dir; a plain path means a file, or all that is below it.
func newGlob(dir, pattern string) []glob {
	base, rest := doublestar.SplitPattern(path.Clean(pattern))
	if !filepath.IsAbs(filepath.FromSlash(base)) {
		base = path.Join(dir, base)
	}
	hidden := slices.ContainsFunc(strings.Split(rest, "/"), isHidden)
	globs := []glob{{base, rest, hidden}}
	if !strings.ContainsAny(rest, `*?[{\`) {
		globs = append(globs, glob{path.Join(base, rest), "**", hidden})
	}
	return globs
}

// escape makes a pattern that matches name alone.
func escape(name string) string {
	return strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`, "{", `\{`).Replace(name)
}

// isHidden reports whether a directory of that name counts only if a glob names it.
func isHidden(name string) bool {
	return name == "node_modules" || len(name) > 1 && name[0] == '.' && name != ".."
}

// match reports whether the command reads the file at name.
func (w *watch) match(name string) bool {
	return (matchAny(w.globs, name) || w.embedded(name)) && !w.excluded(name)
}

// excluded reports whether the file at name does not count whatever else names it.
func (w *watch) excluded(name string) bool {
	return w.isGo && strings.HasSuffix(name, "_test.go") ||
		slices.ContainsFunc(w.ignore, func(pattern string) bool { return doublestar.MatchUnvalidated(pattern, name) })
}

func (w *watch) embedded(name string) bool {
	for _, globs := range w.embeds {
		if matchAny(globs, name) {
			return true
		}
	}
	return false
}

func matchAny(globs []glob, name string) bool {
	return slices.ContainsFunc(globs, func(g glob) bool {
		rel, ok := below(g.base, name)
		if !ok || !g.hidden && slices.ContainsFunc(strings.Split(path.Dir(rel), "/"), isHidden) {
			return false
		}
		return doublestar.MatchUnvalidated(g.pattern, rel)
	})
}

// below is name relative to dir.
func below(dir, name string) (string, bool) {
	if !strings.HasSuffix(dir, "/") {
		dir += "/"
	}
	return strings.CutPrefix(name, dir)
}

// relative is name as a [State] has it.
func (w *watch) relative(name string) string {
	if rel, ok := below(w.dir, name); ok {
		return rel
	}
	return name
}

// read takes note of what the Go file at name embeds, and reports whether that is something else than before.
func (w *watch) read(name string, content []byte) bool {
	if !w.isGo || !strings.HasSuffix(name, ".go") || !w.match(name) {
		return false
	}
	var globs []glob
	for _, pattern := range embedPatterns(content) {
		globs = append(globs, newGlob(path.Dir(name), pattern)...)
		globs = append(globs, newGlob(path.Dir(name), pattern+"/**")...) // a directory is embedded with all that is below
	}
	if slices.Equal(w.embeds[name], globs) {
		return false
	}
	delete(w.embeds, name)
	if len(globs) > 0 {
		w.embeds[name] = globs
	}
	return true
}

// embedPatterns are the patterns of the //go:embed directives in a Go file. One in a comment or string that looks like a
// directive is taken for one: at worst a build is made that was not due.
func embedPatterns(content []byte) []string {
	const directive = "//go:embed "
	if !bytes.Contains(content, []byte(directive)) {
		return nil
	}
	var patterns []string
	lines := bufio.NewScanner(bytes.NewReader(content))
	for lines.Scan() {
		rest, ok := strings.CutPrefix(lines.Text(), directive)
		for ok {
			rest = strings.TrimLeft(rest, " \t")
			if rest == "" {
				break
			}
			var p string
			if quote := rest[0]; quote == '"' || quote == '`' {
				if p, rest, ok = strings.Cut(rest[1:], string(quote)); !ok {
					break
				}
			} else if i := strings.IndexAny(rest, " \t"); i >= 0 {
				p, rest = rest[:i], rest[i:]
			} else {
				p, rest = rest, ""
			}
			p = strings.TrimPrefix(p, "all:")
			if p != "" && !path.IsAbs(p) && doublestar.ValidatePattern(p) {
				patterns = append(patterns, p)
			}
		}
	}
	return patterns
}

// bases are the directories below which files of w are.
func (w *watch) bases() []string {
	var bases []string
	for _, g := range w.globs {
		bases = append(bases, g.base)
	}
	for _, globs := range w.embeds {
		for _, g := range globs {
			bases = append(bases, g.base)
		}
	}
	return bases
}

// outermost drops the directories that are below others.
func outermost(dirs []string) []string {
	dirs = slices.Sorted(slices.Values(dirs))
	var out []string
	for _, d := range dirs {
		if !slices.ContainsFunc(out, func(o string) bool { _, ok := below(o, d); return ok || o == d }) {
			out = append(out, d)
		}
	}
	return out
}
