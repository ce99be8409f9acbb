package production

import (
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"path"
	"slices"
	"strings"

	"golang.org/x/net/html"
)

// An Output is what a build wrote, as a program finds it.
type Output struct {
	Files    fs.FS // the folder itself
	Base     string
	Manifest Manifest

	hashed map[string]bool
}

// Open finds the output of a build in fsys: at its root, or below folders that hold nothing else, as those of an [embed.FS]
// do. The error of one that is missing, or of another version, says what to do.
func Open(fsys fs.FS) (*Output, error) {
	for {
		if _, err := fs.Stat(fsys, ManifestFile); err == nil {
			break
		}
		entries, err := fs.ReadDir(fsys, ".")
		if err != nil {
			return nil, fmt.Errorf("production: %w", err)
		}
		if len(entries) != 1 || !entries[0].IsDir() {
			return nil, errors.New("production: there is no " + ManifestFile + ": run devserve build, and if its output is embedded write //go:embed all:dist, " +
				"as without that word Go leaves out names that begin with a dot")
		}
		if fsys, err = fs.Sub(fsys, entries[0].Name()); err != nil {
			return nil, fmt.Errorf("production: %w", err)
		}
	}
	o := &Output{Files: fsys, hashed: map[string]bool{}}
	var r record
	switch err := read(fsys, recordFile, &r); {
	case errors.Is(err, fs.ErrNotExist):
		return nil, errors.New("production: there is no " + recordFile + " beside the manifest, so devserve build did not write it: run it")
	case err != nil:
		return nil, err
	case r.Version != recordVersion:
		return nil, fmt.Errorf("production: the output was written by another version of devserve (its format is %d, that of this program %d): "+
			"run devserve build again, by go run github.com/devserve/devserve build, which is of the program's version", r.Version, recordVersion)
	}
	if err := read(fsys, ManifestFile, &o.Manifest); err != nil {
		return nil, err
	}
	o.Base = r.Base
	for _, c := range o.Manifest {
		for _, f := range slices.Concat([]string{c.File}, c.CSS, c.Assets) {
			o.hashed[f], o.hashed[f+".map"] = true, true
		}
	}
	return o, nil
}

func read(fsys fs.FS, name string, v any) error {
	data, err := fs.ReadFile(fsys, name)
	if err != nil {
		return fmt.Errorf("production: %w", err)
	}
	if err := json.Unmarshal(data, v); err != nil {
		return fmt.Errorf("production: %s: %w: run devserve build again", name, err)
	}
	return nil
}

// Immutable reports whether a file of the output has a name that changes with its content.
func (o *Output) Immutable(name string) bool { return o.hashed[name] }

// Tags returns the elements that load an entry, a script or a style sheet by its path in the site, into a page that a template
// renders: its style sheets, its script, and hints for what that imports, each with the nonce if one is given.
func (o *Output) Tags(entry string, nonce ...string) (template.HTML, error) {
	key := strings.TrimPrefix(path.Clean(entry), "/")
	c, ok := o.Manifest[key]
	switch {
	case !ok:
		return "", fmt.Errorf("production: there is no entry %q in the manifest; it has %s: name one of them, or build it by devserve build --entry %s", entry, o.entries(), key)
	case !c.IsEntry:
		return "", fmt.Errorf("production: %q was built, but not as an entry: build it by devserve build --entry %s", entry, key)
	}
	site, attrs := &site{base: o.Base}, NonceAttr(nonce...)
	if path.Ext(c.File) == ".css" {
		return template.HTML(site.link("stylesheet", attrs, c.File)), nil
	}
	styles, scripts := site.needs(o.Manifest, []string{key}, []string{attrs})
	script := `<script type="module"` + attrs + ` src="` + html.EscapeString(site.url(c.File)) + `"></script>`
	return template.HTML(strings.Join(slices.Concat(styles, []string{script}, scripts), "\n")), nil
}

// NonceAttr is the attribute of an element that carries the nonce of a Content-Security-Policy, after a space; "" without one.
func NonceAttr(nonce ...string) string {
	if value := strings.Join(nonce, ""); value != "" {
		return ` nonce="` + html.EscapeString(value) + `"`
	}
	return ""
}

func (o *Output) entries() string {
	var keys []string
	for key, c := range o.Manifest {
		if c.IsEntry {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	if len(keys) == 0 {
		return "none"
	}
	return strings.Join(keys, ", ")
}
