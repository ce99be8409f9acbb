package server

import (
	"html/template"
	"net/url"
	"path"
	"strings"
)

// Tags returns what loads an entry of the site, a script or a style sheet such as "src/main.tsx", into a page that a template
// renders. In production that are the files which devserve build made of it, with all that they need; one that was not
// built, or not as an entry, is an error that says what to do. It may be a function of templates:
//
//	template.FuncMap{"tags": dev.Tags}
func (s *Server) Tags(entry string) (template.HTML, error) {
	if s.built != nil {
		return s.built.Tags(entry)
	}
	u := (&url.URL{Path: s.base + strings.TrimPrefix(path.Clean(entry), "/")}).EscapedPath()
	u = template.HTMLEscapeString(u)
	if strings.EqualFold(path.Ext(entry), ".css") {
		return template.HTML(`<link rel="stylesheet" href="` + u + `">`), nil
	}
	return template.HTML(`<script type="module" src="` + u + `"></script>`), nil
}
