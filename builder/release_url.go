package builder

import (
	"fmt"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/evanw/esbuild/pkg/api"
)

// new URL("./x", import.meta.url) names a file. In development the page asks for it by that name; here the name becomes that of
// the file in the release: a script is bundled, anything else is copied.
//
// esbuild passes over it, so it is replaced in the source before esbuild reads that. Whether what looks like it is code, and not
// part of a string, esbuild is asked first: it is made to print the module with another word for import.meta.url.

// urlWord stands for import.meta.url where only code can.
const urlWord = "__devserve_import_meta_url"

var (
	// A space, or a comment, such as webpack's /* webpackChunkName: … */.
	gap = `(?:\s|/\*(?:[^*]|\*[^/])*\*/|//[^\n]*\n)*`

	newURL = regexp.MustCompile(`(\b(?:Worker|SharedWorker|register|addModule)` + gap + `\(` + gap + `)?` +
		`\bnew` + gap + `\bURL` + gap + `\(` + gap + "(\"(?:[^\"\\\\\n]|\\\\.)*\"|'(?:[^'\\\\\n]|\\\\.)*'|`(?:[^`\\\\]|\\\\.)*`)" +
		gap + `,` + gap + `import\.meta\.url` + gap + `,?` + gap + `\)`)
	printedURL = regexp.MustCompile("new URL\\((\"(?:[^\"\\\\]|\\\\.)*\"|'(?:[^'\\\\]|\\\\.)*'|`(?:[^`\\\\]|\\\\.)*`), " + urlWord + `\)`)

	hole = regexp.MustCompile(`\$\{[^{}]*\}`)
)

// withURLs is the source of a script in dir with the files of the release in the place of those it names.
func (p *releasePlugin) withURLs(source, dir string, loader api.Loader, name string) string {
	if !strings.Contains(source, "import.meta.url") || !strings.Contains(source, "URL") {
		return source
	}
	found := newURL.FindAllStringSubmatchIndex(source, -1)
	if len(found) == 0 {
		return source
	}
	printed := api.Transform(source, api.TransformOptions{Loader: loader, Define: map[string]string{"import.meta.url": urlWord}, JSX: api.JSXPreserve, LogLevel: api.LogLevelSilent})
	var real []string
	for _, m := range printedURL.FindAllSubmatch(printed.Code, -1) {
		real = append(real, specOf(m[1]))
	}
	var out strings.Builder
	done := 0
	for _, m := range found {
		literal := source[m[4]:m[5]]
		if !slices.Contains(real, specOf([]byte(literal))) {
			continue
		}
		at := func() *api.Location { return locate(source, m[4], m[5], name) }
		code := p.fileURL(literal, dir, m[2] >= 0, at)
		if code == "" {
			continue
		}
		out.WriteString(source[done:m[4]])
		out.WriteString(code)
		out.WriteString(strings.Repeat("\n", strings.Count(source[m[4]:m[5]], "\n")))
		done = m[5]
	}
	out.WriteString(source[done:])
	return out.String()
}

// specOf is what a string literal or a template says, for comparison.
func specOf(literal []byte) string { return hole.ReplaceAllString(unquote(literal), "${}") }

// fileURL returns the expression to use for the literal that names a file, or "" if that is none of ours.
func (p *releasePlugin) fileURL(literal, dir string, worker bool, at func() *api.Location) string {
	if literal[0] == '`' && strings.Contains(literal, "${") {
		return p.fileURLs(literal, dir, at)
	}
	spec := unquote([]byte(literal))
	if strings.Contains(spec, ":") || strings.HasPrefix(spec, "//") || strings.HasPrefix(spec, "#") || spec == "" || strings.HasSuffix(spec, "/") || spec == "." || spec == ".." {
		return ""
	}
	rest := ""
	if i := strings.IndexAny(spec, "?#"); i >= 0 {
		spec, rest = spec[:i], spec[i:]
	}
	file := filepath.Join(dir, filepath.FromSlash(spec))
	if strings.HasPrefix(spec, "/") {
		if f, ok := p.site(spec); ok {
			file = f
		}
	} else if f, ok := p.b.resolver.file(file); ok {
		file = f // "./worker" or "./worker.js" may be worker.ts
	}
	if err := regular(file); err != nil {
		if info, err := os.Stat(file); err == nil && info.IsDir() {
			return ""
		}
		m := api.Message{Text: fmt.Sprintf("There is no file %q: the URL stays as it is", spec), Location: at()}
		if worker {
			m.Text = readError(p.b.resolver.rel(file), err).Text
			p.fail(m)
		} else {
			p.warn(m)
		}
		return ""
	}
	u := p.releaseURL(file, worker, at)
	if u == "self.location.href" {
		return u
	}
	if strings.HasPrefix(rest, "#") {
		u += rest
	}
	return quote(u)
}

// releaseURL is where the file at path is found, which a script names by new URL.
func (p *releasePlugin) releaseURL(file string, worker bool, at func() *api.Location) string {
	name := ""
	switch _, public := strings.CutPrefix(p.b.resolver.rel(file), "public/"); {
	case public, !scripts[path.Ext(file)] && !kindOf(file).isStyle():
		name = p.asset(file)
	case kindOf(file).isStyle():
		name = p.styleFile(file)
	case len(p.chain) > 0 && p.chain[len(p.chain)-1] == file:
		return "self.location.href" // a worker that starts others of its own kind
	case slices.Contains(p.chain, file):
		p.fail(api.Message{Text: "These scripts start each other, so that none can be named by its content: " + strings.Join(p.names(append(slices.Clip(p.chain), file)), ", "), Location: at()})
	case worker:
		name = p.script(file, api.FormatIIFE, false, p.chain)
	default:
		name = p.script(file, api.FormatESModule, false, p.chain)
	}
	return p.url(name)
}

func (p *releasePlugin) names(paths []string) []string {
	var out []string
	for _, f := range paths {
		out = append(out, p.b.resolver.rel(f))
	}
	return out
}

// fileURLs is for a name with holes, new URL(`./img/${name}.png`, …): a table of all files that it can mean, as with Vite.
func (p *releasePlugin) fileURLs(literal, dir string, at func() *api.Location) string {
	spec := literal[1 : len(literal)-1]
	if !isRelative(spec) {
		p.warn(api.Message{Text: "Which files this can name is not known: begin it with ./ or ../", Location: at()})
		return ""
	}
	prefix := hole.Split(spec, -1)[0]
	var pattern strings.Builder
	for i, part := range hole.Split(spec, -1) {
		if i > 0 {
			pattern.WriteString("*")
		}
		for _, r := range part {
			if strings.ContainsRune(`*?[\`, r) {
				pattern.WriteByte('\\')
			}
			pattern.WriteRune(r)
		}
	}
	table := map[string]string{}
	files, err := filepath.Glob(filepath.Join(dir, filepath.FromSlash(pattern.String())))
	if err != nil {
		return ""
	}
	dots := prefix[:len(prefix)-len(strings.TrimLeft(prefix, "./"))]
	for _, file := range files {
		if regular(file) != nil || strings.HasPrefix(filepath.Base(file), ".") {
			continue
		}
		rel, err := filepath.Rel(dir, file)
		if err != nil {
			continue
		}
		key := filepath.ToSlash(rel)
		if !strings.HasPrefix(key, "../") {
			key = "./" + key
		}
		if !strings.HasPrefix(key, dots) {
			continue
		}
		table[key] = p.releaseURL(file, false, at)
	}
	if len(table) == 0 {
		p.warn(api.Message{Text: "There is no file that this can name: the URL stays as it is", Location: at()})
		return ""
	}
	var out strings.Builder
	for _, key := range slices.Sorted(maps.Keys(table)) {
		fmt.Fprintf(&out, "%s: %s, ", quote(key), quote(table[key]))
	}
	return "({ " + strings.TrimSuffix(out.String(), ", ") + " })[" + literal + "]"
}

// locate is the place of source[start:end], for a diagnostic.
func locate(source string, start, end int, name string) *api.Location {
	from := strings.LastIndexByte(source[:start], '\n') + 1
	line := source[from:]
	if i := strings.IndexByte(line, '\n'); i >= 0 {
		line = line[:i]
	}
	return &api.Location{
		File: name, Line: strings.Count(source[:start], "\n") + 1, Column: start - from,
		Length: min(end-start, len(line)-(start-from)), LineText: line,
	}
}
