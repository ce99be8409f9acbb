package server

import (
	"html/template"
	"net/url"
	"path"
	"strings"

	"github.com/devserve/devserve/production"
)

// Tags returns what loads an entry of the site, a script or a style sheet such as "src/main.tsx", into a page that a template
// renders. In production that are the files which devserve build made of it, with all that they need; one that was not
// built, or not as an entry, is an error that says what to do. The elements carry the nonce of the page's Content-Security-Policy,
// if one is given. It may be a function of templates, {{tags "src/main.tsx"}} or {{tags "src/main.tsx" .Nonce}}:
//
//	template.FuncMap{"tags": dev.Tags}
func (s *Server) Tags(entry string, nonce ...string) (template.HTML, error) {
	if s.built != nil {
		return s.built.Tags(entry, nonce...)
	}
	attrs := production.NonceAttr(nonce...)
	u := (&url.URL{Path: s.base + strings.TrimPrefix(path.Clean(entry), "/")}).EscapedPath()
	u = template.HTMLEscapeString(u)
	if strings.EqualFold(path.Ext(entry), ".css") {
		return template.HTML(`<link rel="stylesheet"` + attrs + ` href="` + u + `">`), nil
	}
	return template.HTML(`<script type="module"` + attrs + ` src="` + u + `"></script>`), nil
}
