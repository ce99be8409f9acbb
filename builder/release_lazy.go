package builder

import (
	"bytes"
	_ "embed" // for go:embed
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/evanw/esbuild/pkg/api"
)

// outputs are what one call of esbuild made: chunks, and how they hang together.
type outputs struct {
	r      *releasing
	meta   metafile
	chunks map[string]*output  // by name
	styles map[string][]string // the files of the style sheets that an entry point needs, by its name in the metafile
}

type output struct {
	name       string
	entryPoint string // what it runs, as the metafile names it; "" for what others share
	code, smap []byte
	static     []string // names of the chunks that it imports
	lazy       []string // and of those that it asks for by import()
}

func newOutputs(r *releasing, built api.BuildResult, meta metafile) *outputs {
	o := &outputs{r: r, meta: meta, chunks: map[string]*output{}, styles: map[string][]string{}}
	for path, out := range meta.Outputs {
		if filepath.Ext(path) != ".js" {
			continue
		}
		c := &output{name: outputName(path), entryPoint: out.EntryPoint}
		for _, i := range out.Imports {
			to := outputName(i.Path)
			switch {
			case i.External:
			case i.Kind == "import-statement" && !slices.Contains(c.static, to):
				c.static = append(c.static, to)
			case i.Kind == "dynamic-import" && !slices.Contains(c.lazy, to):
				c.lazy = append(c.lazy, to)
			}
		}
		o.chunks[c.name] = c
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, f := range built.OutputFiles {
		name := outputName(f.Path)
		if c := o.chunks[name]; c != nil {
			c.code = f.Contents
			continue
		}
		if c := o.chunks[strings.TrimSuffix(name, ".map")]; c != nil {
			c.smap = f.Contents
			continue
		}
		r.out.Files[name] = f.Contents // what the user's plugins brought, and esbuild joined
		if path.Ext(name) == ".css" {
			r.chunks[name] = &Chunk{File: name, Name: unhashed(name)}
		}
	}
	return o
}

// emit adds all chunks to the release, and returns the names of those that run an entry point by how the metafile names that.
// split says that import() loads another chunk, styled that there is a page to style.
func (o *outputs) emit(split, styled bool) map[string]string {
	if styled {
		o.joinSheets(split)
	}
	renamed := o.finishLoads()
	lazy := map[string]bool{}
	for _, c := range o.chunks {
		for _, to := range c.lazy {
			lazy[to] = true
		}
	}
	var pairs []string
	for _, old := range sortedKeys(renamed) {
		pairs = append(pairs, hashOf(old), hashOf(renamed[old])) // names stand there as they are, and escaped
	}
	rename := strings.NewReplacer(pairs...)
	nameOf := func(name string) string {
		if n, ok := renamed[name]; ok {
			return n
		}
		return name
	}
	names := map[string]string{}
	for _, key := range sortedKeys(o.chunks) {
		c := o.chunks[key]
		code := rename.Replace(string(c.code))
		name := nameOf(c.name)
		chunk := Chunk{File: name, Name: unhashed(name), Src: source(c.entryPoint), Dynamic: lazy[c.name], Styles: o.styles[c.entryPoint]}
		for _, to := range c.static {
			chunk.Imports = append(chunk.Imports, nameOf(to))
		}
		for _, to := range c.lazy {
			chunk.DynamicImports = append(chunk.DynamicImports, nameOf(to))
		}
		assets := o.r.assetsIn(code)
		for _, s := range chunk.Styles {
			o.r.mu.Lock()
			assets = append(assets, o.r.chunks[s].Assets...)
			o.r.mu.Unlock()
		}
		slices.Sort(assets)
		chunk.Assets = slices.Compact(assets)
		o.r.mu.Lock()
		o.r.out.Files[name] = []byte(code)
		if c.smap != nil {
			o.r.out.Files[name+".map"] = c.smap
		}
		o.r.chunks[name] = &chunk
		o.r.mu.Unlock()
		if c.entryPoint != "" {
			names[c.entryPoint] = name
		}
	}
	return names
}

// hashOf is the end of a chunk's name, which no other name has: "-ABCD2345.js".
func hashOf(name string) string { return name[strings.LastIndexByte(name, '-'):] }

// unhashed is the base name of a chunk without its hash.
func unhashed(name string) string {
	base := strings.TrimSuffix(path.Base(name), path.Ext(name))
	if i := strings.LastIndexByte(base, '-'); i > 0 {
		base = base[:i]
	}
	return base
}

// source is the file of an entry point, whatever namespace we had put it in.
func source(entryPoint string) string {
	for _, namespace := range []string{rootNamespace, inlineNamespace, sheetNamespace, dataNamespace} {
		entryPoint = strings.TrimPrefix(entryPoint, namespace+":")
	}
	return entryPoint
}

// sheetsOf lists the style sheets that the modules of an entry point import, in the order in which the modules run.
func (o *outputs) sheetsOf(entryPoint string, split bool) []*sheet {
	type frame struct {
		key string
		i   int
	}
	var sheets []*sheet
	seen := map[string]bool{entryPoint: true}
	// Not recursive, see Builder.walk.
	for stack := []frame{{key: entryPoint}}; len(stack) > 0; {
		top := &stack[len(stack)-1]
		imports := o.meta.Inputs[top.key].Imports
		if top.i == len(imports) {
			if name, ok := strings.CutPrefix(top.key, sheetNamespace+":"); ok {
				sheets = append(sheets, o.r.sheet(o.r.b.path(name)))
			}
			stack = stack[:len(stack)-1]
			continue
		}
		i := imports[top.i]
		top.i++
		if !i.External && !seen[i.Path] && (i.Kind != "dynamic-import" || !split) {
			seen[i.Path] = true
			stack = append(stack, frame{key: i.Path})
		}
	}
	return sheets
}

// joinSheets emits the style sheets that scripts import. Two that follow each other wherever either is needed become one file.
func (o *outputs) joinSheets(split bool) {
	lists := map[string][]*sheet{}
	for _, c := range o.chunks {
		if c.entryPoint != "" {
			lists[c.entryPoint] = o.sheetsOf(c.entryPoint, split)
		}
	}
	// What comes right before a sheet, in every list; nil if that is not the same everywhere.
	before, after := map[*sheet]*sheet{}, map[*sheet]*sheet{}
	for _, list := range lists {
		for i, s := range list {
			var prev, next *sheet
			if i > 0 {
				prev = list[i-1]
			}
			if i+1 < len(list) {
				next = list[i+1]
			}
			agree(before, s, prev)
			agree(after, s, next)
		}
	}
	lone := map[*sheet]string{} // the only entry that needs a sheet, or ""
	for _, entry := range sortedKeys(lists) {
		for _, s := range lists[entry] {
			if _, others := lone[s]; others {
				lone[s] = ""
			} else {
				lone[s] = entry
			}
		}
	}
	joined := map[*sheet]string{}
	for _, entry := range sortedKeys(lists) {
		var files []string
		list := lists[entry]
		for i := 0; i < len(list); {
			n := 1
			for i+n < len(list) && after[list[i+n-1]] == list[i+n] && before[list[i+n]] == list[i+n-1] && list[i+n].joins() {
				n++
			}
			run := slices.DeleteFunc(slices.Clone(list[i:i+n]), func(s *sheet) bool { return len(s.css) == 0 })
			if len(run) > 0 {
				name, ok := joined[run[0]]
				if !ok {
					name = o.r.join(run, lone[run[0]], "")
					joined[run[0]] = name
				}
				files = append(files, name)
			}
			i += n
		}
		o.styles[entry] = files
	}
	for _, out := range o.meta.Outputs {
		if out.CSSBundle != "" && out.EntryPoint != "" {
			o.styles[out.EntryPoint] = append(o.styles[out.EntryPoint], outputName(out.CSSBundle))
		}
	}
}

// agree notes that a list has v at s, or nil if another list had something else there.
func agree(at map[*sheet]*sheet, s, v *sheet) {
	if old, known := at[s]; known && old != v {
		v = nil
	}
	at[s] = v
}

// joins reports whether s means the same behind other style sheets: an @import must come first.
func (s *sheet) joins() bool {
	return !bytes.Contains(s.css, []byte("@import"))
}

//go:embed release_lazy.js
var loadHelper string

var loadHelpers = sync.OnceValue(func() string {
	out := api.Transform(loadHelper, api.TransformOptions{MinifyWhitespace: true, MinifySyntax: true, Target: target_})
	return string(out.Code)
})

// finishLoads makes import() of what needs style sheets, or scripts that import others, ask for all of it at once:
// import("…") becomes the call of a function at the end of the chunk, of the same length, so that every source map holds.
// What a chunk then names is more than esbuild has put into its hash, so those chunks, and all that name them, get
// other names, of the same length too.
func (o *outputs) finishLoads() map[string]string {
	needs := map[string][]string{} // of chunks, the style sheets that they name
	for _, name := range sortedKeys(o.chunks) {
		c := o.chunks[name]
		had := o.closure(c)
		tail := ""
		for i, to := range c.lazy {
			target := o.chunks[to]
			var urls []string
			for _, s := range o.styles[target.entryPoint] {
				urls = append(urls, quote(o.r.url(s)))
			}
			needs[name] = append(needs[name], o.styles[target.entryPoint]...)
			for _, dep := range sortedKeys(o.closure(target)) {
				if !had[dep] && dep != to {
					urls = append(urls, quote(o.r.url(dep)))
				}
			}
			was := []byte("import(" + quote(o.r.b.resolver.base+to) + ")")
			call := "__devserve_load" + strconv.Itoa(i) + "()"
			if len(urls) == 0 || len(call) > len(was) || !bytes.Contains(c.code, was) {
				continue
			}
			urls = append(urls, quote(o.r.url(to)))
			tail += fmt.Sprintf("function __devserve_load%d(){return __devserve_load([%s],()=>%s)}\n", i, strings.Join(urls, ","), was)
			c.code = bytes.ReplaceAll(c.code, was, fmt.Appendf(nil, "%-*s", len(was), call))
		}
		if tail != "" {
			code, comment := c.code, []byte(nil)
			if at := bytes.LastIndex(code, []byte("//# sourceMappingURL=")); at >= 0 {
				code, comment = slices.Clip(code[:at]), code[at:]
			}
			c.code = append(append(append(code, tail...), loadHelpers()...), comment...)
		}
	}
	renamed := map[string]string{}
	for name := range o.chunks {
		reached := map[string]bool{}
		o.reach(name, reached)
		var styles []string
		for r := range reached {
			styles = append(styles, needs[r]...)
		}
		if len(styles) == 0 {
			continue
		}
		slices.Sort(styles)
		hash := shortHash([]byte(name + " " + strings.Join(slices.Compact(styles), " ")))
		renamed[name] = path.Join(path.Dir(name), unhashed(name)) + "-" + hash + ".js"
	}
	return renamed
}

// closure is c and the chunks that it imports.
func (o *outputs) closure(c *output) map[string]bool {
	seen := map[string]bool{}
	for queue := []string{c.name}; len(queue) > 0; queue = queue[1:] {
		if name := queue[0]; !seen[name] && o.chunks[name] != nil {
			seen[name] = true
			queue = append(queue, o.chunks[name].static...)
		}
	}
	return seen
}

// reach adds to seen the chunks that name names, at whatever remove.
func (o *outputs) reach(name string, seen map[string]bool) {
	for queue := []string{name}; len(queue) > 0; queue = queue[1:] {
		if name := queue[0]; !seen[name] && o.chunks[name] != nil {
			seen[name] = true
			queue = slices.Concat(queue, o.chunks[name].static, o.chunks[name].lazy)
		}
	}
}
