package server

import (
	"cmp"
	"net/http"
	"path"
	"slices"
	"strings"
)

// A use is what a request wants a file of the site for.
type use int

const (
	raw    use = iota // to have it as it is
	script            // to run it as a module: the builder's bundle
	worker            // to run it as a worker: a bundle that is no module
	style             // to apply it as a style sheet: the builder's, with its imports
)

// useOf says what r wants the file called name for, from the name's ending and from what
// the browser says of the element that asks (Fetch Metadata). name is relative to the site.
//
//	                 <script type=module>  <script>  worker  <link>  fetch, navigation  nobody says
//	.ts .tsx .jsx …  script                script    worker          raw                script
//	.js .mjs .cjs    script                raw       worker          raw                script
//	.css                                                     style   raw                style
//
// Nobody says: curl, older browsers, and every browser that sees us under a plain http:// address that is
// not this machine's own. Then a navigation still shows by its Accept header, and what is plainly ready to run, minified or
// out of node_modules, is sent as it is. With ?raw it is too.
func useOf(r *http.Request, name string) use {
	ext := strings.ToLower(path.Ext(name))
	switch {
	case r.URL.Query().Has("raw"):
		return raw
	case ext == ".css" && applies(r):
		return style
	case !isScript(ext):
		return raw
	case says(r):
		return runs(r, ext)
	case accepts(r, "text/html"), !isTyped(ext) && isReady(name):
		return raw
	}
	return script
}

// runs tells from Fetch Metadata how a script is run, if it is and needs us for it. A classic <script> has the mode
// no-cors; so have a worker's importScripts.
func runs(r *http.Request, ext string) use {
	switch r.Header.Get("Sec-Fetch-Dest") {
	case "script":
		if r.Header.Get("Sec-Fetch-Mode") == "cors" || isTyped(ext) {
			return script
		}
	case "worker", "sharedworker", "serviceworker", "audioworklet", "paintworklet":
		return worker
	}
	return raw
}

// applies reports whether a style sheet is asked for to be applied.
func applies(r *http.Request) bool {
	return r.Header.Get("Sec-Fetch-Dest") == "style" || !says(r) && !accepts(r, "text/html")
}

// isReady reports whether a plain script was made to be run as it is.
func isReady(name string) bool {
	return strings.Contains(path.Base(name), ".min.") || strings.Contains("/"+name, "/node_modules/")
}

// wantsModule reports whether a page wants to run the answer to r as a module or a worker.
func wantsModule(r *http.Request) bool {
	ext := strings.ToLower(path.Ext(r.URL.Path))
	if !says(r) {
		return r.Referer() != "" && isScript(ext) && !accepts(r, "text/html")
	}
	return runs(r, ext) != raw
}

// isScript reports whether files with this ending may be run; isTyped whether only after a compiler.
func isScript(ext string) bool {
	return isTyped(ext) || slices.Contains([]string{".js", ".mjs", ".cjs"}, ext)
}

func isTyped(ext string) bool {
	return slices.Contains([]string{".ts", ".tsx", ".jsx", ".mts", ".cts"}, ext)
}

// says reports whether r has Fetch Metadata.
func says(r *http.Request) bool {
	h := r.Header
	return cmp.Or(h.Get("Sec-Fetch-Dest"), h.Get("Sec-Fetch-Mode"), h.Get("Sec-Fetch-Site")) != ""
}

// navigates reports whether r is the navigation of a tab or a frame, which an
// application's index page may answer under any name.
func navigates(r *http.Request) bool {
	switch dest := r.Header.Get("Sec-Fetch-Dest"); dest {
	case "document", "iframe", "frame":
		return true
	case "":
		return accepts(r, "text/html") && !strings.Contains(path.Base(r.URL.Path), ".")
	}
	return false
}

// looksAt reports whether a person will look at the answer to r as a page of its own.
func looksAt(r *http.Request) bool {
	return navigates(r) || r.Header.Get("Sec-Fetch-Dest") == "" && accepts(r, "text/html")
}

// accepts reports whether r names the media type t itself; "*/*" does not.
func accepts(r *http.Request, t string) bool {
	return strings.Contains(r.Header.Get("Accept"), t)
}
