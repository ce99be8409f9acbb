package builder

import (
	"regexp"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/evanw/esbuild/pkg/api"
)

// lineLimit is the longest source line that a diagnostic carries, in bytes: a minified
// file has one line, and nobody reads a code frame of a megabyte.
const lineLimit = 2000

// noLoader is what esbuild says of a file that it cannot read, and compilers are commands for some of them.
var noLoader = regexp.MustCompile(`^No loader is configured for "(\.\w+)" files`)

var compilers = map[string]string{
	".scss": "npx sass --watch src",
	".sass": "npx sass --watch src",
	".less": "npx lessc src/main.less src/main.css",
}

// diagnostics translates esbuild's messages. esbuild counts columns and lengths in bytes
// from 0; people, editors and browsers count UTF-16 code units from 1.
func (b *Builder) diagnostics(messages []api.Message) []Diagnostic {
	out := make([]Diagnostic, 0, len(messages))
	for _, m := range messages {
		d := Diagnostic{Source: "esbuild", Text: m.Text}
		if m.PluginName != "" && m.PluginName != pluginName {
			d.Source, d.Text = m.PluginName, "[plugin "+m.PluginName+"] "+d.Text
		} else if _, ok := m.Detail.(panicError); ok {
			d.Source = pluginName
		}
		if l := m.Location; l != nil {
			d.File, d.Line = b.file(l), l.Line
			d.Column, d.Length, d.LineText = place(l)
			if l.Length > 0 && len(l.Suggestion) > 1 { // a lone bracket is no help
				d.Notes = append(d.Notes, Note{Text: "Did you mean " + l.Suggestion + "?"})
			}
		}
		if m := noLoader.FindStringSubmatch(d.Text); m != nil && compilers[m[1]] != "" {
			d.Notes = append(d.Notes, Note{Text: "devserve does not compile these. Let their own compiler write a style sheet, and import that: " + compilers[m[1]]})
		}
		for _, n := range m.Notes {
			if strings.HasPrefix(n.Text, "You can mark the path ") {
				if m := notResolved.FindStringSubmatch(d.Text); m != nil && isBare(m[1]) {
					d.Notes = append(d.Notes, Note{Text: "Is it installed? npm install " + packageName(m[1])})
				}
				continue // marking paths as external is not for our users to do
			}
			note := Note{Text: n.Text}
			if l := n.Location; l != nil {
				note.File, note.Line = b.file(l), l.Line
				note.Column, note.Length, note.LineText = place(l)
			}
			d.Notes = append(d.Notes, note)
		}
		out = append(out, d)
	}
	return out
}

// place converts a location's column, length and line.
func place(l *api.Location) (column, length int, line string) {
	line = l.LineText
	if i := strings.IndexAny(line, "\r\n\u2028\u2029"); i >= 0 {
		line = line[:i]
	}
	column = units(line, l.Column) + 1
	if end := min(l.Column+l.Length, len(line)); end > l.Column {
		length = units(line[l.Column:], end-l.Column)
	}
	if len(line) > lineLimit {
		line = ""
	}
	return column, length, strings.ToValidUTF8(line, "\uFFFD")
}

// units counts the UTF-16 code units of s[:n].
func units(s string, n int) int {
	count := 0
	for i := 0; i < n && i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		count += utf16.RuneLen(r)
		i += size
	}
	return count
}

// file is the file of a location relative to the site, whatever namespace we had put it in.
func (b *Builder) file(l *api.Location) string {
	name := l.File
	if rest, ok := strings.CutPrefix(name, styleModuleNamespace+":"); ok {
		name = realStyleModule(rest)
	}
	if rest, ok := strings.CutPrefix(name, inlineNamespace+":"); ok {
		name = rest[:strings.LastIndexByte(rest, '?')]
	}
	return strings.ToValidUTF8(strings.TrimPrefix(name, "./"), "\uFFFD")
}
