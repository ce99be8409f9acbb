package server

import (
	"strings"
	"testing"
)

func TestContentType(t *testing.T) {
	latin1 := "caf\xe9"
	for _, tt := range []struct{ name, head, want string }{
		{"a.html", "<!doctype html>", "text/html; charset=utf-8"},
		{"A.HTM", "", "text/html; charset=utf-8"},
		{"a.html", "\xef\xbb\xbf<p>", "text/html; charset=utf-8"},
		{"a.html", latin1, "text/html"},
		{"a.html", "\xff\xfe<\x00p\x00>\x00", "text/html"},
		{"a.html", `<meta charset="iso-8859-1">`, "text/html"},
		{"a.html", `<META CHARSET=UTF-8>`, "text/html; charset=utf-8"},
		{"a.html", `<meta charset='utf8'>`, "text/html; charset=utf-8"},
		{"a.html", `<meta http-equiv="Content-Type" content="text/html; charset=Shift_JIS">`, "text/html"},
		{"a.html", `<meta name="x" content="y">`, "text/html; charset=utf-8"},
		{"a.html", strings.Repeat(" ", 1100) + `<meta charset="iso-8859-1">`, "text/html; charset=utf-8"}, // too late for a browser too
		{"a.css", "@charset \"utf-8\";", "text/css; charset=utf-8"},
		{"a.css", latin1, "text/css"},
		{"a.js", "x", "text/javascript; charset=utf-8"},
		{"a.mjs", "x", "text/javascript; charset=utf-8"},
		{"a.ts", "x", "text/plain; charset=utf-8"},
		{"a.tsx", "<b/>", "text/plain; charset=utf-8"},
		{"a.ts", "G\x80\xff\xff", "text/plain"},
		{"a.json", "{}", "application/json"},
		{"a.js.map", "{}", "application/json"},
		{"a.wasm", "\x00asm", "application/wasm"},
		{"a.svg", "<svg>", "image/svg+xml"},
		{"a.png", "x", "image/png"},
		{"a.JPG", "x", "image/jpeg"},
		{"a.avif", "x", "image/avif"},
		{"favicon.ico", "x", "image/x-icon"},
		{"a.woff2", "x", "font/woff2"},
		{"a.webmanifest", "{}", "application/manifest+json"},
		{"a.mp4", "x", "video/mp4"},
		{"a.mp3", "x", "audio/mpeg"},
		{"a.pdf", "x", "application/pdf"},
		{"a.xml", "<x/>", "application/xml"},
		{"a.md", "# x", "text/markdown; charset=utf-8"},
		{"a.txt", "x", "text/plain; charset=utf-8"},
		{"a.txt", latin1, "text/plain"},
		{"LICENSE", "MIT", "text/plain; charset=utf-8"},
		{"README", "", "text/plain; charset=utf-8"},
		{"page", "<html><script>alert(1)</script>", "text/plain; charset=utf-8"}, // HTML only by its name
		{"a.unknown", "text", "text/plain; charset=utf-8"},
		{"a.unknown", "\x00\x01\x02", "application/octet-stream"},
		{"a.html.bin", "<html>", "application/octet-stream"},
	} {
		if got := contentType(tt.name, []byte(tt.head), true); got != tt.want {
			t.Errorf("contentType(%q, %.30q) = %q, want %q", tt.name, tt.head, got, tt.want)
		}
	}
}

func TestIsUTF8(t *testing.T) {
	for _, tt := range []struct {
		head        string
		cut, entire bool
	}{
		{"", true, true},
		{"abc", true, true},
		{"é", true, true},
		{"日本"[:5], true, false},
		{"日本"[:4], true, false},
		{"𝄞"[:1], true, false},
		{"𝄞"[:3], true, false},
		{"caf\xe9", true, false}, // may go on
		{"\x80", false, false},
		{"\x80\x80\x80\x80", false, false},
		{"a\xffb", false, false},
		{"a\xff", false, false},
	} {
		if cut, entire := isUTF8([]byte(tt.head), false), isUTF8([]byte(tt.head), true); cut != tt.cut || entire != tt.entire {
			t.Errorf("%q: %v %v", tt.head, cut, entire)
		}
	}
}
