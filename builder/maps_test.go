package builder

import (
	"bytes"
	"context"
	"encoding/json"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"
)

// TestPlacesMapBack looks for "new Error" in every kind of script that a page runs, follows it through the source map
// that the script names, and must arrive at "new Error" in the source.
func TestPlacesMapBack(t *testing.T) {
	const lead = "// one\n/* two\nthree */\n"
	files := map[string]string{
		"plain.ts":      lead + "enum E { A }\ntype T = string\n\nexport function fail(..._: unknown[]) {\n  if (E.A === 0) throw   new Error('plain')\n}\nexport default class {}\n",
		"await.ts":      lead + "import { fail } from './plain'\nexport * from './plain'\nexport const x: number = await 1\n\nfunction hoisted(): void { if (x)  throw new Error('await') }\nhoisted()\nexport { fail }\n",
		"late.mjs":      lead + "import './plain'\nawait 0\nlet x = 1; { x++ }\n  throw new Error('late')\n",
		"common.cjs":    lead + "const f = require('./plain')\nexports.x = () => 0\nif (f) throw new Error('common')\n",
		"hashbang.mjs":  "#!/usr/bin/env node\n'use client'\nimport './plain'\n\n throw new Error('hashbang')\n",
		"computed.mjs":  lead + "const p = import(['x'].join()), q = 1\nexport const r = [p, import(['y'].join())]; throw new Error('computed')\n",
		"jsx.tsx":       lead + "const React = { createElement: (f: any, ..._: any[]) => f() }\nconst C = () => {\n  throw new Error('jsx')\n}\nexport default <C>\n  text {1}\n</C>\n",
		"decorated.ts":  lead + "const d = (v: unknown, c: { name: unknown }) => { if (c.name === 'b')\n    throw new Error('decorated') }\nclass A { @d a = 1; @d b() {} }\nexport { A }\n",
		"legal.mjs":     "//! legal\n/*! more\n// of it */\nimport './plain'\nexport const x = 1; throw new Error('legal')\n",
		"glob.mjs":      lead + "export const load = (n) => import(`./pages/${n}.mjs`)\n\nthrow new Error('glob')\n",
		"globawait.mjs": lead + "export const load = (n) => import(`./pages/${n}.mjs`)\nawait 0\nthrow new Error('globawait')\n",
		"metaglob.ts":   lead + "const all: any = import.meta.glob<{}>('./pages/*.mjs', { eager: true })['./pages/one.mjs']; if (all) throw new Error('metaglob')\n",
		"metawait.ts":   lead + "await 0; const all = import.meta.glob('./pages/*.mjs'); throw new Error('metawait')",
		"helpers.mjs":   "export * from './nothing.mjs'\nexport const __export = 1, __toESM = 2\n{ throw new Error('helpers') }\n",
		"pages/one.mjs": "export const name = 1\n",
		"nothing.mjs":   "",
	}
	a := &txtar.Archive{}
	for name, data := range files {
		a.Files = append(a.Files, txtar.File{Name: name, Data: []byte(data)})
	}
	s := newSite(t, a, Options{Base: "/base/"})
	ctx := context.Background()
	check := func(what, file string, script []byte) {
		t.Helper()
		m := regexp.MustCompile(`new Error\("` + strings.TrimSuffix(file, file[strings.IndexByte(file, '.'):]) + `"`).FindIndex(script)
		named := regexp.MustCompile(`(?m)^//# sourceMappingURL=(.*)$`).FindAllSubmatch(script, -1)
		if m == nil || named == nil {
			t.Errorf("%s: no error, or no source map, in\n%s", what, script)
			return
		}
		u, err := url.Parse(string(named[len(named)-1][1]))
		if err != nil {
			t.Fatal(err)
		}
		out, err := s.b.Resource(ctx, strings.TrimPrefix(u.EscapedPath(), "/base/"+resourcePrefix), u.Query())
		if err != nil {
			t.Errorf("%s: %s: %v", what, u, err)
			return
		}
		if bytes.Contains(out.Body, []byte(globWord)) {
			t.Errorf("%s: the map has what was added for import.meta.glob", what)
		}
		line, column := lineAndColumn(string(script), m[0])
		source, gotLine, gotColumn := original(t, out.Body, line, column)
		wantLine, wantColumn := lineAndColumn(files[file], strings.Index(files[file], "new Error"))
		if source != "/base/"+file || gotLine != wantLine || gotColumn != wantColumn {
			t.Errorf("%s: %d:%d maps to %s:%d:%d, want %s:%d:%d", what, line, column, source, gotLine, gotColumn, file, wantLine, wantColumn)
		}
	}

	for file, text := range files {
		if !strings.Contains(text, "new Error") {
			continue
		}
		out, err := s.b.Script(ctx, file)
		if err != nil || len(s.last().Errors) > 0 {
			t.Fatal(err, s.last().Errors)
		}
		check("bundle of "+file, file, out.Body)
		if out, err = s.b.Resource(ctx, "lazy", url.Values{"id": {"/base/" + file}}); err != nil {
			t.Fatal(err)
		}
		check("lazily "+file, file, out.Body)
	}

	for file, text := range files {
		if !strings.Contains(text, "new Error") {
			continue
		}
		files[file] = strings.Replace(text, "throw ", "if (globalThis.edited)\n   throw ", 1)
		if err := s.save(file, []byte(files[file])); err != nil {
			t.Fatal(err)
		}
		s.rebuild(file)
		r := s.last()
		if len(r.Updates) != 1 || len(r.Errors) > 0 {
			t.Fatalf("%s: %+v", file, r)
		}
		build := url.Values{"build": {strconv.FormatInt(r.Build, 10)}, "id": {"/base/" + file}}
		// As client/src/update.ts puts it together.
		check("update of "+file, file, []byte("({ "+sharedHelpers+" }) => ("+r.Updates[0].Code+"\n)\n//# sourceMappingURL=/base/"+resourcePrefix+"update-map?"+build.Encode()+"\n"))
		out, err := s.b.Resource(ctx, "update/"+strconv.FormatInt(r.Build, 10), build)
		if err != nil {
			t.Fatal(err)
		}
		check("update script of "+file, file, out.Body)
	}
}

// lineAndColumn counts both from 0.
func lineAndColumn(text string, at int) (line, column int) {
	return strings.Count(text[:at], "\n"), at - strings.LastIndexByte(text[:at], '\n') - 1
}

// original looks a place up in an index map, as https://tc39.es/ecma426/ has it. All counts are from 0.
func original(t *testing.T, data []byte, line, column int) (source string, originalLine, originalColumn int) {
	t.Helper()
	var index indexMap
	if err := json.Unmarshal(data, &index); err != nil {
		t.Fatal(err)
	}
	for _, s := range index.Sections {
		at := line - s.Offset.Line
		rows := bytes.Split([]byte(s.Map.Mappings), []byte(";"))
		if at < 0 || at >= len(rows) {
			continue
		}
		var state [5]int // generated column, source, line, column, name
		for i, row := range rows[:at+1] {
			state[0] = 0
			for segment := range bytes.SplitSeq(row, []byte(",")) {
				fields := vlq(segment)
				if len(fields) == 0 {
					continue
				}
				if i == at && state[0]+fields[0] > column {
					break
				}
				for j, f := range fields {
					state[j] += f
				}
				if i == at && len(fields) >= 4 {
					source, originalLine, originalColumn = s.Map.Sources[state[1]], state[2], state[3]
				}
			}
		}
	}
	return source, originalLine, originalColumn
}

func vlq(segment []byte) (fields []int) {
	value, shift := 0, 0
	for _, c := range segment {
		digit := strings.IndexByte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", c)
		value |= digit & 31 << shift
		if shift += 5; digit&32 != 0 {
			continue
		}
		if value&1 != 0 {
			value = -value
		}
		fields = append(fields, value/2)
		value, shift = 0, 0
	}
	return fields
}
