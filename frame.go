package main

import (
	"strings"
	"unicode"
	"unicode/utf16"

	"github.com/devserve/devserve/server"
)

// maxFrame is how many cells of a source line are shown where there is no terminal to fit: as
// in the overlay, 240 before the mark, as many in it and after it.
const maxFrame = 3 * 240

// A frame is the line of code that a diagnostic is about, in three parts, with the middle one to blame.
type frame struct {
	before, marked, after string
	blank, caret          string // as wide as before; one caret for each cell that is marked
}

// codeFrame cuts what fits into room cells from the line of code of d, around what is marked.
func codeFrame(d server.Note, room int) (frame, bool) {
	if d.Line <= 0 || d.LineText == "" {
		return frame{}, false
	}
	units := utf16.Encode([]rune(d.LineText))
	start, end := 0, 0
	if d.Column > 0 {
		start = min(d.Column-1, len(units))
		end = min(start+max(d.Length, 0), len(units))
	}
	part := func(units []uint16) string {
		return clean(strings.ReplaceAll(string(utf16.Decode(units)), "\t", "    "))
	}
	f := frame{marked: head(part(units[start:end]), room*2/3)}
	before, after := part(units[:start]), part(units[end:])
	room -= cells(f.marked)
	f.before = tail(before, max(room/2, room-cells(after)))
	f.after = head(after, room-cells(f.before))
	if d.Column > 0 {
		f.blank = strings.Repeat(" ", cells(f.before))
		f.caret = strings.Repeat("^", max(1, cells(f.marked)))
	}
	return f, true
}

// head is s, or its beginning and "…" if s is wider than room cells.
func head(s string, room int) string {
	if cells(s) <= room {
		return s
	}
	width := 1
	for i, r := range s {
		if width += cell(r); width > room {
			return s[:i] + "…"
		}
	}
	return s
}

// tail is s, or "…" and its end.
func tail(s string, room int) string {
	over := cells(s) - room
	if over <= 0 {
		return s
	}
	over++ // for the "…"
	for i, r := range s {
		if over <= 0 {
			return "…" + s[i:]
		}
		over -= cell(r)
	}
	return "…"
}

// cells is how wide a terminal shows s.
func cells(s string) int {
	n := 0
	for _, r := range s {
		n += cell(r)
	}
	return n
}

func cell(r rune) int {
	switch {
	case r < 0x300:
		return 1
	case unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf):
		return 0
	case unicode.Is(wide, r):
		return 2
	}
	return 1
}

// wide are the characters of two cells, roughly: the blocks of East Asian scripts and emoji.
//
// https://www.unicode.org/reports/tr11/
var wide = &unicode.RangeTable{
	R16: []unicode.Range16{
		{Lo: 0x1100, Hi: 0x115f, Stride: 1}, {Lo: 0x2e80, Hi: 0xa4cf, Stride: 1}, {Lo: 0xac00, Hi: 0xd7a3, Stride: 1},
		{Lo: 0xf900, Hi: 0xfaff, Stride: 1}, {Lo: 0xfe30, Hi: 0xfe6f, Stride: 1}, {Lo: 0xff00, Hi: 0xff60, Stride: 1},
		{Lo: 0xffe0, Hi: 0xffe6, Stride: 1},
	},
	R32: []unicode.Range32{{Lo: 0x1f300, Hi: 0x3fffd, Stride: 1}},
}

// clean takes out of s what a terminal would obey instead of showing it, and what makes
// the order of letters lie: file names and messages are other people's text.
//
// https://trojansource.codes
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if commands(r) {
			return -1
		}
		return r
	}, s)
}

// commands reports whether r is a control character (C0, DEL, C1), a line or paragraph separator,
// or a mark of the bidirectional algorithm.
func commands(r rune) bool {
	return unicode.IsControl(r) || r == '\u2028' || r == '\u2029' || unicode.Is(unicode.Bidi_Control, r)
}
