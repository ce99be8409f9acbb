package builder

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strconv"

	"github.com/devserve/devserve/client"
)

// A bundle is what a page gets for an entry point: the runtime, the dependency bundle, a table
// with the factory of every module that can be reached over static imports, and the start of the entry.
//
// Its source map is made only when somebody asks for it; see sourcemap.go.
type bundle struct {
	Output
	version  int64
	sections []section
}

// A section of a bundle is a module's code, or that of the dependency bundle (both nil).
type section struct {
	line     int // from 0
	module   *module
	compiled *compiled // what the module was when the bundle was made
}

const scriptType = "text/javascript; charset=utf-8"

// sharedHelpers are esbuild's helpers, and what they need, that the registry supplies.
const sharedHelpers = "__create, __defProp, __getOwnPropDesc, __getOwnPropNames, __getProtoOf, __hasOwnProp, __export, __copyProps, __reExport, __toESM, __toCommonJS"

// writer counts the lines of what it holds.
type writer struct {
	bytes.Buffer
	lines int
}

func (w *writer) add(parts ...[]byte) {
	for _, p := range parts {
		w.lines += bytes.Count(p, []byte("\n"))
		w.Write(p)
	}
}

func (w *writer) addString(s string) { w.add([]byte(s)) }

// script assembles the bundle of an entry point. Exports are left out for workers, which may be classic scripts.
func (b *Builder) script(entry *module, exports bool) *bundle {
	out := &bundle{version: b.version}
	w := &writer{}
	for i, url := range b.remotes(entry) {
		w.addString("import * as __remote" + strconv.Itoa(i) + " from " + quote(url) + ";\n")
	}
	w.add(client.Runtime())
	w.addString("\n")
	if entry.good == nil {
		w.addString("globalThis.__devserve.failed.set(" + quote(entry.id) + ", " + strconv.FormatInt(b.build, 10) + ");\n")
		w.addString("console.error(" + quote("[devserve] "+b.failure(entry)) + ");\n")
	} else {
		if exports {
			b.writeHost(w)
		}
		b.writeModules(w, out, b.static(entry), b.remotes(entry))
		b.writeStart(w, entry, exports)
		w.addString("//# sourceMappingURL=" + b.resource("map", entry.id) + "\n")
	}
	out.Body = w.Bytes()
	out.ContentType = scriptType
	out.ETag = etag(out.Body)
	return out
}

// lazy assembles what import() of m needs beyond what a page has that runs from.
func (b *Builder) lazy(m *module, from []*module) *bundle {
	out := &bundle{version: b.version}
	had := map[*module]bool{}
	b.walk(from, good, false, func(m *module) { had[m] = true })
	ms := slices.DeleteFunc(b.static(m), func(m *module) bool { return had[m] && m.kind != kindDependency })
	w := &writer{}
	remotes := b.remotes(m)
	for i, url := range remotes {
		w.addString("import * as __remote" + strconv.Itoa(i) + " from " + quote(url) + ";\n")
	}
	b.writeModules(w, out, ms, remotes)
	w.addString("//# sourceMappingURL=" + b.resource("map", m.id) + "&of=lazy\n")
	out.Body = w.Bytes()
	out.ContentType = scriptType
	out.ETag = etag(out.Body)
	return out
}

// static lists the modules of an entry in the order in which they run.
func (b *Builder) static(entry *module) []*module {
	var ms []*module
	b.walk([]*module{entry}, good, false, func(m *module) { ms = append(ms, m) })
	return ms
}

func (b *Builder) remotes(entry *module) []string {
	var urls []string
	b.walk([]*module{entry}, good, false, func(m *module) {
		if m.kind == kindRemote {
			urls = append(urls, m.path)
		}
	})
	return urls
}

// writeModules writes the calls that hand modules to the registry. A factory in parentheses is compiled with the bundle
// in V8, rather than skimmed then and read again when it runs, as most run at once: https://v8.dev/blog/preparser#pife.
func (b *Builder) writeModules(w *writer, out *bundle, ms []*module, remotes []string) {
	w.addString("(function(__devserve) {\nvar { " + sharedHelpers + " } = __devserve.helpers;\n__devserve.setEnv(")
	env, _ := json.Marshal(b.env(development)) // strings and booleans always marshal
	w.add(env, []byte(");\n"))
	build := strconv.FormatInt(b.build, 10)
	if d := b.deps.good; d != nil && slices.ContainsFunc(ms, func(m *module) bool { return m.kind == kindDependency }) {
		w.addString("__devserve.dependencies(" + build + ", (")
		out.sections = append(out.sections, section{line: w.lines + 1})
		w.add(d.code)
		ids, _ := json.Marshal(d.ids)
		esm, _ := json.Marshal(append([]string{}, d.esm...))
		w.add([]byte("), "), ids, []byte(", "), esm, []byte(", "), []byte(quote(string(d.style))), []byte(");\n"))
	}
	size := 0
	for _, m := range ms {
		if m.good != nil {
			size += len(m.id) + len(m.good.code) + len(`"": (),`+"\n")
		}
	}
	w.Grow(size) // or most of it is copied again and again
	w.addString("__devserve.define(" + build + ", {\n")
	for _, m := range ms {
		if m.kind == kindDependency || m.kind == kindRemote || m.good == nil {
			continue
		}
		w.addString(quote(m.id) + ": (")
		if m.kind == kindScript {
			out.sections = append(out.sections, section{w.lines + 1, m, m.good})
		}
		w.add(m.good.code)
		w.addString("),\n")
	}
	w.addString("}, {\n")
	for _, m := range ms {
		if m.kind.isStyle() && m.good != nil {
			w.addString(quote(m.id) + ": " + quote(string(m.good.style)) + ",\n")
		}
	}
	w.addString("}, {")
	for i, url := range remotes {
		w.addString(quote(url) + ": __remote" + strconv.Itoa(i) + ", ")
	}
	w.addString("}, ")
	info, _ := json.Marshal(b.info(ms))
	w.add(info, []byte(");\n})(globalThis.__devserve);\n"))
}

// info is what a page must know of ms beyond their code.
func (b *Builder) info(ms []*module) Info {
	info := Info{Asyncs: b.asyncs(ms)}
	for _, m := range ms {
		if m.good == nil {
			continue
		}
		if m.good.accepts {
			specs := map[string]string{}
			for _, e := range m.good.imports {
				specs[e.spec] = e.id
			}
			if info.Specs == nil {
				info.Specs = map[string]map[string]string{}
			}
			info.Specs[m.id] = specs
		}
		if !m.good.acceptsExports {
			continue
		}
		names := map[string][]string{}
		for _, o := range b.importers(m, good) {
			names[o.id] = o.good.namesFrom(m.id)
			if slices.ContainsFunc(o.good.imports, func(e edge) bool { return e.lazy && e.id == m.id }) {
				names[o.id] = append(names[o.id], "*")
			}
		}
		if info.Names == nil {
			info.Names = map[string]map[string][]string{}
		}
		info.Names[m.id] = names
	}
	return info
}

// imports lists what modules import, and what they ask for by import(), by ID.
func imports(ms []*module) (static, lazy map[string][]string) {
	static, lazy = map[string][]string{}, map[string][]string{}
	for _, m := range ms {
		lazy[m.id] = []string{}
		for _, e := range m.good.imports {
			if e.lazy {
				lazy[m.id] = append(lazy[m.id], e.id)
			} else {
				static[m.id] = append(static[m.id], e.id)
			}
		}
	}
	return static, lazy
}

// namesFrom lists what a module reads from another that it imports; "*" stands for all of it.
func (c *compiled) namesFrom(id string) []string {
	names := []string{}
	for _, u := range c.uses {
		if u.id == id {
			names = append(names, u.name)
		}
	}
	if slices.Contains(c.reExports, id) {
		names = append(names, "*")
	}
	return names
}

// deepest is how long a chain of imports may be that runs as one module requires the next: each link takes about 0.4 KB of
// a stack of 1 MB (measured in Chromium: 2,400 links).
const deepest = 500

// asyncs lists the modules of ms that the page runs import by import instead of as they are required, with their static
// imports in order: those that have top-level await or import what has, and all of a graph that is too deep for the stack.
func (b *Builder) asyncs(ms []*module) map[string][]string {
	waits := slices.ContainsFunc(ms, func(m *module) bool { return m.good != nil && m.good.async })
	deep := b.depth(ms) > deepest
	if !waits && !deep {
		return nil
	}
	out := map[string][]string{}
	for changed := true; changed; { // more than one round only for cycles
		changed = false
		for _, m := range ms {
			if m.good == nil || out[m.id] != nil {
				continue
			}
			run := m.good.async || deep && m.good.esm && m.kind == kindScript
			ids := []string{}
			for _, e := range m.good.imports {
				if e.lazy || e.require { // require() runs what it names when it is called
					continue
				}
				ids = append(ids, e.id)
				run = run || out[e.id] != nil
			}
			if run {
				out[m.id], changed = ids, true
			}
		}
	}
	return out
}

// depth is the length of the longest chain of imports among ms, which are in the order in which they run; cycles
// count as far as that order goes.
func (b *Builder) depth(ms []*module) int {
	depths := make(map[string]int, len(ms))
	longest := 0
	for _, m := range ms {
		d := 0
		if m.good != nil {
			for _, e := range m.good.imports {
				if !e.lazy {
					d = max(d, depths[e.id])
				}
			}
		}
		depths[m.id] = d + 1
		longest = max(longest, d+1)
	}
	return longest
}

// writeStart writes the call that runs the entry and, as the page may import from it, its exports.
func (b *Builder) writeStart(w *writer, entry *module, exports bool) {
	start := "globalThis.__devserve.start(" + quote(entry.id) + ")"
	if exports && len(b.asyncs(b.static(entry))) > 0 { // a classic worker knows no await
		start = "await " + start
	}
	names, _ := b.exportsOf(entry, nil)
	if !exports || len(names) == 0 {
		w.addString(start + ";\n")
		return
	}
	sorted := make([]string, 0, len(names))
	for n := range names {
		sorted = append(sorted, n)
	}
	slices.Sort(sorted)
	w.addString("const __exports = " + start + ";\n")
	for i, n := range sorted {
		v := "__export" + strconv.Itoa(i)
		w.addString("const " + v + " = __exports[" + quote(n) + "]; export { " + v + " as " + quote(n) + " };\n")
	}
}

// failure says in a line why an entry has never been built.
func (b *Builder) failure(entry *module) string {
	text := entry.id + " could not be built"
	if len(b.errors) > 0 {
		d := b.errors[0]
		text += ": " + d.Text
		if d.File != "" {
			text += " (" + d.File
			if d.Line > 0 {
				text += ":" + strconv.Itoa(d.Line) + ":" + strconv.Itoa(d.Column)
			}
			text += ")"
		}
	}
	return text
}

func etag(body []byte) string {
	sum := sha256.Sum256(body)
	return `"` + hex.EncodeToString(sum[:12]) + `"`
}
