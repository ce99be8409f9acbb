package builder

import (
	"encoding/json"
	"net/url"
	"strconv"
	"strings"

	"github.com/go-sourcemap/sourcemap"
)

// A place in what a page runs, as a browser's stack trace has it, is told as a place in a source file:
// the page shows where it threw in the words of who wrote it.

// maxPlaces is how many places one request may ask for: a stack has ten lines where nobody asked for more.
const maxPlaces = 50

// A Place is where something is in a source file. Line and Column count from 1; Line is 0 if it is not known.
type Place struct {
	File     string `json:"file"` // relative to the site
	Line     int    `json:"line"`
	Column   int    `json:"column"`
	LineText string `json:"lineText"`
}

// places answers for each of list, "URL:LINE:COLUMN" with the URL's path and query, where that is in the sources.
func (b *Builder) places(list []string) Output {
	out := make([]Place, min(len(list), maxPlaces))
	for i := range out {
		out[i] = b.place(list[i])
	}
	body, _ := json.Marshal(out) // strings and numbers always marshal
	return Output{Body: body, ETag: etag(body), ContentType: "application/json"}
}

func (b *Builder) place(at string) Place {
	rest, column, ok1 := cutLast(at)
	path, line, ok2 := cutLast(rest)
	u, err := url.Parse(path)
	if !ok1 || !ok2 || err != nil {
		return Place{}
	}
	out := b.ran(u)
	if out == nil {
		return Place{}
	}
	for i := len(out.sections) - 1; i >= 0; i-- {
		s := out.sections[i]
		if s.line > line-1 {
			continue
		}
		if s.compiled == nil {
			return Place{} // in a package
		}
		b.makeMaps(out.sections[i : i+1])
		m, ok := b.readMap(s.compiled.smap, s.compiled.dropped, []string{s.module.path})
		if !ok {
			return Place{}
		}
		data, _ := json.Marshal(m)
		consumer, err := sourcemap.Parse("", data)
		if err != nil {
			return Place{}
		}
		_, _, sourceLine, sourceColumn, ok := consumer.Source(line-s.line, column-1)
		if !ok {
			return Place{}
		}
		p := Place{File: b.resolver.rel(s.module.path), Line: sourceLine, Column: sourceColumn + 1}
		if len(m.SourcesContent) > 0 {
			lines := strings.Split(m.SourcesContent[0], "\n")
			if sourceLine <= len(lines) && len(lines[sourceLine-1]) <= lineLimit {
				p.LineText = strings.TrimSuffix(lines[sourceLine-1], "\r")
			}
		}
		return p
	}
	return Place{}
}

// cutLast cuts ":N" off s.
func cutLast(s string) (rest string, n int, ok bool) {
	i := strings.LastIndexByte(s, ':')
	if i < 0 {
		return "", 0, false
	}
	n, err := strconv.Atoi(s[i+1:])
	return s[:i], n, err == nil && n > 0
}

// ran is the bundle or update that a page loaded from u, or nil.
func (b *Builder) ran(u *url.URL) *bundle {
	query := u.Query()
	if own, ok := strings.CutPrefix(u.Path, b.resolver.base+resourcePrefix); ok {
		if build, ok := strings.CutPrefix(own, "update/"); ok {
			return b.updateBundle(build, "")
		}
		return b.bundles["lazy "+query.Get("id")]
	}
	if build := query.Get("build"); build != "" {
		return b.updateBundle(build, u.Path)
	}
	return b.bundles["script "+u.Path]
}
