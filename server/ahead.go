package server

import (
	"bytes"
	"context"
	"io"
	"net/url"
	"path"
	"strings"

	"golang.org/x/net/html"
)

// prepare compiles what the site's index page will ask for while nobody has asked for that page yet: of the time from the start of
// the server to the page, the browser's own start is then no part. It returns when that is done, or when ctx is.
func (s *Server) prepare(ctx context.Context) {
	select {
	case <-s.watcher.Ready(): // what changes after it was read is noticed from here on
	case <-ctx.Done():
		return
	}
	index, ok := s.files.index("")
	if !ok {
		return
	}
	f, _, refused := s.files.open(index)
	if refused != nil {
		return // who asks for it is told
	}
	page, err := io.ReadAll(io.LimitReader(f, smallFile))
	f.Close()
	if err != nil {
		return
	}
	for _, name := range modulesOf(page, s.base) {
		if ctx.Err() != nil {
			return
		}
		if e, refused := s.files.find(name); refused == nil && e.info.Mode().IsRegular() && isScript(path.Ext(e.name)) && !e.isPublic() {
			s.builder.Prepare(e.name)
		}
	}
}

// settle takes the path of a file that is being written.
func (s *Server) settle(path string) {
	select {
	case s.settling <- path:
	default: // it will be read later than now
	}
}

// compileAhead compiles files while they settle, until ctx is done.
func (s *Server) compileAhead(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case path := <-s.settling:
			s.builder.Ahead(path)
		}
	}
}

// modulesOf lists the module scripts of this site, by their names in it, that an index page at base loads.
func modulesOf(page []byte, base string) (names []string) {
	at := &url.URL{Path: base}
	for z := html.NewTokenizer(bytes.NewReader(page)); ; {
		if z.Next() == html.ErrorToken {
			return names
		}
		t := z.Token()
		if t.Type != html.StartTagToken || t.Data != "script" && t.Data != "base" {
			continue
		}
		attributes := map[string]string{}
		for _, a := range t.Attr {
			attributes[a.Key] = strings.TrimSpace(a.Val)
		}
		if t.Data == "base" {
			if to, err := at.Parse(attributes["href"]); err == nil {
				at = to
			}
			continue
		}
		if !strings.EqualFold(attributes["type"], "module") || attributes["src"] == "" {
			continue
		}
		to, err := at.Parse(attributes["src"])
		if err != nil || to.Host != "" {
			continue
		}
		if name, inside := strings.CutPrefix(to.Path, base); inside {
			names = append(names, name)
		}
	}
}
