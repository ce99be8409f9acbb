package server

import (
	"net/url"
	"slices"
	"strings"
)

// badPath says what in the path of u no file can be asked for by, or "". Such a
// request is a mistake or an attack: it is refused (400) before any file is looked at.
func badPath(u *url.URL) string {
	escaped := strings.ToLower(u.EscapedPath())
	switch {
	case strings.Contains(escaped, "%2f"):
		return "an encoded slash in the path"
	case strings.Contains(u.Path, `\`):
		return "a backslash in the path"
	case strings.Contains(u.Path, "\x00"):
		return "a NUL byte in the path"
	case slices.Contains(strings.Split(u.Path, "/"), ".."):
		return `".." in the path`
	}
	return ""
}
