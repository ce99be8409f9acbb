package server

import (
	"bytes"
	"net/http"
	"path"
	"regexp"
	"strings"
	"unicode/utf8"
)

// types are the media types of what a site consists of. They are our own, so that a
// page does not depend on the machine's mime.types (or Windows' registry, where a .js
// file may well be text/plain).
var types = map[string]string{
	".html": "text/html", ".htm": "text/html", ".xhtml": "application/xhtml+xml",
	".css": "text/css", ".js": "text/javascript", ".mjs": "text/javascript", ".cjs": "text/javascript",
	".ts": "text/plain", ".tsx": "text/plain", ".jsx": "text/plain", ".mts": "text/plain", ".cts": "text/plain",
	".json": "application/json", ".map": "application/json", ".jsonld": "application/ld+json",
	".webmanifest": "application/manifest+json", ".wasm": "application/wasm",
	".svg": "image/svg+xml", ".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".gif": "image/gif",
	".webp": "image/webp", ".avif": "image/avif", ".apng": "image/apng", ".ico": "image/x-icon", ".bmp": "image/bmp",
	".jxl": "image/jxl", ".tif": "image/tiff", ".tiff": "image/tiff",
	".woff": "font/woff", ".woff2": "font/woff2", ".ttf": "font/ttf", ".otf": "font/otf", ".eot": "application/vnd.ms-fontobject",
	".mp4": "video/mp4", ".m4v": "video/mp4", ".webm": "video/webm", ".ogv": "video/ogg", ".mov": "video/quicktime",
	".mp3": "audio/mpeg", ".m4a": "audio/mp4", ".ogg": "audio/ogg", ".oga": "audio/ogg", ".opus": "audio/ogg",
	".wav": "audio/wav", ".flac": "audio/flac", ".aac": "audio/aac", ".weba": "audio/webm",
	".m3u8": "application/vnd.apple.mpegurl", ".vtt": "text/vtt", ".srt": "text/plain",
	".pdf": "application/pdf", ".txt": "text/plain", ".text": "text/plain", ".log": "text/plain", ".md": "text/markdown",
	".csv": "text/csv", ".xml": "application/xml", ".xsl": "application/xml", ".rss": "application/rss+xml",
	".atom": "application/atom+xml", ".ics": "text/calendar", ".yaml": "text/plain", ".yml": "text/plain",
	".toml": "text/plain", ".go": "text/plain", ".glsl": "text/plain", ".wgsl": "text/plain",
	".vert": "text/plain", ".frag": "text/plain",
	".glb": "model/gltf-binary", ".gltf": "model/gltf+json", ".obj": "text/plain", ".stl": "model/stl",
	".zip": "application/zip", ".gz": "application/gzip", ".tar": "application/x-tar", ".bin": "application/octet-stream",
}

// contentType is the value of Content-Type for a file of this name that begins with
// head, or is no more than that if whole. Text gets a charset only where it is right: a file that is not UTF-8, or an
// HTML document that declares another charset, is left to the browser.
func contentType(name string, head []byte, whole bool) string {
	t, known := types[strings.ToLower(path.Ext(name))]
	if !known {
		// README, LICENSE, an unknown ending: text is shown, the rest downloaded. Nothing becomes HTML by its looks.
		t = "application/octet-stream"
		if strings.HasPrefix(http.DetectContentType(head), "text/") {
			t = "text/plain"
		}
	}
	if strings.HasPrefix(t, "text/") && isUTF8(head, whole) && !(t == "text/html" && declaresOther(head)) {
		t += "; charset=utf-8"
	}
	return t
}

// isUTF8 reports whether head begins a UTF-8 text. Unless it is the whole of it, it may end within a character.
func isUTF8(head []byte, whole bool) bool {
	if !whole {
		for i := 1; i < utf8.UTFMax && i <= len(head); i++ {
			if end := head[len(head)-i:]; utf8.RuneStart(end[0]) {
				if !utf8.FullRune(end) {
					head = head[:len(head)-i]
				}
				break
			}
		}
	}
	return utf8.Valid(head)
}

// metaCharset finds what a browser looks for in a document's first 1024 bytes. It may find
// more than a browser would (in a comment, say); then no charset is sent, and the browser
// looks for itself.
//
// https://html.spec.whatwg.org/multipage/parsing.html#prescan-a-byte-stream-to-determine-its-encoding
var metaCharset = regexp.MustCompile(`(?i)<meta\s[^>]*charset\s*=\s*["']?\s*([^\s"'/>;]+)`)

func declaresOther(head []byte) bool {
	for _, m := range metaCharset.FindAllSubmatch(head[:min(len(head), 1024)], -1) {
		if !bytes.EqualFold(m[1], []byte("utf-8")) && !bytes.EqualFold(m[1], []byte("utf8")) {
			return true
		}
	}
	return false
}
