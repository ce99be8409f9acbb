// Package production builds a site for a web host: pages, scripts and style sheets as small as they get, under names
// that change with their content.
//
//	*.html ──▶ page ──▶ builder.Release ──▶ page ──▶ dist/…, dist/assets/…, dist/.vite/manifest.json
//	          entries      files, chunks    rewritten
//
// It promises:
//
//   - What a page shows under devserve it shows when built: imports, style sheets and assets mean the same, as the same
//     code of package builder decides it. Of a page, nothing but the URLs of what was built becomes another; not a byte beside them.
//   - A build that fails changes nothing: the former output stays, whole, until the new one is complete.
//   - Only what a former build wrote is ever deleted. A folder with anything else in it is refused.
//   - Whatever has a name with a hash may be kept forever; the same sources give the same names on every machine.
package production

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/devserve/devserve/builder"
	"github.com/evanw/esbuild/pkg/api"
)

// Options says what to build. Only Dir is required.
type Options struct {
	Dir       string            // the site's root
	OutDir    string            // "" means the folder dist in Dir
	Base      string            // URL prefix under which the host serves the output, as "/sub/"; "" means "/"
	Entries   []string          // scripts and style sheets, relative to Dir, that no page of the site names but a program's template does
	Ignore    []string          // doublestar globs, relative to Dir, of HTML files that are no pages
	Define    map[string]string // as esbuild's Define
	Plugins   []api.Plugin      // esbuild plugins
	SourceMap bool              // a source map beside every script and style sheet
	Readable  bool              // keep names, lines and spaces
}

// A Result is what a build wrote, or why it wrote nothing.
type Result struct {
	OutDir   string               // absolute
	Files    []File               // sorted by name
	Errors   []builder.Diagnostic // not empty: the build failed, and the former output stays
	Warnings []builder.Diagnostic
	Took     time.Duration
}

// A File is a file of the output.
type File struct {
	Name   string // relative to OutDir, slash-separated
	Public bool   // copied from public/
	Size   int64  // in bytes
	Gzip   int64  // the same as most hosts send it; 0 for what they would not compress
}

// An OptionError is about an option that cannot mean anything, whatever the site is like.
type OptionError struct{ text string }

func (e *OptionError) Error() string { return e.text }

func badOption(format string, args ...any) error { return &OptionError{fmt.Sprintf(format, args...)} }

var validBase = regexp.MustCompile(`^/([A-Za-z0-9_~-][A-Za-z0-9._~-]*/)*$`)

// Build builds the site in o.Dir. A site that cannot be built is no error but told in [Result.Errors]; an error means that
// nothing could be tried, or nothing be written. Either way the former output is what it was.
func Build(ctx context.Context, o Options) (Result, error) {
	began := time.Now()
	dir, err := siteDir(o.Dir)
	if err != nil {
		return Result{}, err
	}
	if o.Base == "" {
		o.Base = "/"
	}
	if !validBase.MatchString(o.Base) {
		return Result{}, badOption(`production: bad base %q: give it as "/", "/sub/" or "/a/b/", of letters, digits and ._~-`, o.Base)
	}
	out, err := newOutput(dir, o.OutDir)
	if err != nil {
		return Result{}, err
	}
	b, err := builder.New(builder.Options{Dir: dir, Base: o.Base, Define: o.Define, Plugins: o.Plugins})
	if err != nil {
		return Result{}, err
	}
	defer b.Close()

	s, err := newSite(dir, o)
	if err != nil {
		return Result{}, err
	}
	release, err := b.Release(ctx, builder.ReleaseOptions{Entries: s.entries, SourceMap: o.SourceMap, Readable: o.Readable})
	if err != nil {
		return Result{}, err
	}
	r := Result{OutDir: out.dir, Errors: append(s.errors, release.Errors...), Warnings: append(s.warnings, release.Warnings...)}
	if len(r.Errors) > 0 {
		r.Took = time.Since(began)
		return r, nil
	}

	m := manifestOf(release.Chunks)
	files := release.Files
	for _, p := range s.pages {
		files[p.name] = s.rewrite(p, release, m)
	}
	for _, name := range s.public {
		if files[name] != nil {
			r.Warnings = append(r.Warnings, builder.Diagnostic{Source: "devserve", File: name, Text: "public/" + name + " has the same URL, and comes first as in development"})
			delete(files, name)
		}
	}
	for name, data := range files {
		r.Files = append(r.Files, File{Name: name, Size: int64(len(data)), Gzip: gzipped(name, data)})
	}
	files[ManifestFile] = indented(m)
	if err := out.write(ctx, files, filepath.Join(dir, publicDir), s.public, o.Base); err != nil {
		return Result{}, err
	}
	for _, name := range s.public {
		f := File{Name: name, Public: true}
		if info, err := os.Stat(filepath.Join(out.dir, filepath.FromSlash(name))); err == nil {
			f.Size = info.Size()
		}
		r.Files = append(r.Files, f)
	}
	slices.SortFunc(r.Files, func(a, b File) int { return strings.Compare(a.Name, b.Name) })
	r.Took = time.Since(began)
	return r, nil
}

// siteDir returns the site's folder as an absolute path without links.
func siteDir(name string) (string, error) {
	info, err := os.Stat(name)
	switch {
	case name == "":
		return "", errors.New(`production: no directory: name the site's folder, "." for the current one`)
	case errors.Is(err, os.ErrNotExist):
		return "", fmt.Errorf("production: no such directory %q: name the folder that holds index.html", name)
	case err != nil:
		return "", fmt.Errorf("production: %w", err)
	case !info.IsDir():
		return "", fmt.Errorf("production: %q is no directory: name the folder it is in, %q", name, filepath.Dir(name))
	}
	dir, err := filepath.Abs(name)
	if err == nil {
		dir, err = filepath.EvalSymlinks(dir)
	}
	if err != nil {
		return "", fmt.Errorf("production: %w", err)
	}
	return dir, nil
}

func indented(v any) []byte {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	_ = e.Encode(v) // strings and booleans always encode
	return out.Bytes()
}

// compressible are the endings of what hosts compress.
var compressible = []string{".html", ".htm", ".js", ".css", ".svg", ".json", ".map", ".txt", ".xml", ".wasm", ".webmanifest", ".ico", ".ttf", ".otf"}

func gzipped(name string, data []byte) int64 {
	if !slices.Contains(compressible, strings.ToLower(path.Ext(name))) {
		return 0
	}
	n := &counter{}
	w := gzip.NewWriter(n)
	_, _ = w.Write(data) // a counter takes everything
	_ = w.Close()
	return n.n
}

type counter struct{ n int64 }

func (c *counter) Write(p []byte) (int, error) { c.n += int64(len(p)); return len(p), nil }
