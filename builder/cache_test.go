package builder

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/devserve/devserve/internal/ctime"
	"golang.org/x/tools/txtar"
)

const cacheSite = `
-- package.json --
{"dependencies": {"react": "19"}}
-- tsconfig.json --
{"extends": "./base.json"}
-- base.json --
{"compilerOptions": {"paths": {"@/*": ["./src/*"]}}}
-- node_modules/react/package.json --
{"name": "react"}
-- node_modules/react/index.js --
exports.a = 1
-- node_modules/react/jsx-dev-runtime.js --
exports.jsxDEV = 1
-- src/main.tsx --
import React from "react"
import { a } from "./a"
import { b } from "@/b"
import "./s.css"
import styles from "./m.module.css"
console.log(React, a, b, styles, <p />)
-- src/a.ts --
export const a = "a"
-- src/b.ts --
export const b = "b"
-- src/s.css --
p { color: red }
-- src/m.module.css --
.x { color: red }
-- src/wait.ts --
export const w = await 1
`

// A second start takes from the cache what is as it was, and nothing else; the page gets the same bytes as without one.
func TestCache(t *testing.T) {
	all := 5 // main, a, b, s.css, m.module.css
	for _, test := range []struct {
		name   string
		change func(t *testing.T, s *site, cache string)
		want   int // modules recalled
	}{
		{"nothing", func(*testing.T, *site, string) {}, all},
		{"content", func(t *testing.T, s *site, _ string) { must(t, s.save("src/a.ts", []byte("export const a = 2"))) }, all - 1},
		{"content that was there before", func(t *testing.T, s *site, _ string) {
			must(t, s.save("src/a.ts", []byte("export const a = 2")))
			must(t, s.save("src/a.ts", []byte("export const a = \"a\"\n")))
		}, all},
		{"options by tsconfig", func(t *testing.T, s *site, _ string) {
			must(t, s.save("base.json", []byte(`{"compilerOptions": {"paths": {"@/*": ["./src/*"]}, "jsx": "react"}}`)))
		}, 0},
		{"package.json", func(t *testing.T, s *site, _ string) {
			must(t, s.save("src/package.json", []byte(`{"type": "module"}`)))
		}, 0},
		{"a file in the way", func(t *testing.T, s *site, _ string) { must(t, s.save("src/a.tsx", []byte(`export const a = "x"`))) }, all - 2},
		{"an alias", func(t *testing.T, s *site, _ string) {
			must(t, os.Remove(s.path("src/b.ts")))
			must(t, s.save("src/b/index.ts", []byte(`export const b = "index"`)))
		}, all - 2},
		{"torn file", func(t *testing.T, _ *site, cache string) {
			data, err := os.ReadFile(cache)
			must(t, err)
			must(t, os.WriteFile(cache, data[:len(data)/2], 0o600))
		}, -1},
		{"broken byte", func(t *testing.T, _ *site, cache string) {
			data, err := os.ReadFile(cache)
			must(t, err)
			data[len(data)-40] ^= 1
			must(t, os.WriteFile(cache, data, 0o600))
		}, -1},
		{"foreign file", func(t *testing.T, _ *site, cache string) { must(t, os.WriteFile(cache, []byte("hello"), 0o600)) }, 0},
		{"deleted folder", func(t *testing.T, _ *site, cache string) { must(t, os.RemoveAll(filepath.Dir(cache))) }, 0},
		{"a folder that is a file", func(t *testing.T, _ *site, cache string) {
			must(t, os.RemoveAll(filepath.Dir(cache)))
			must(t, os.WriteFile(filepath.Dir(cache), nil, 0o600))
		}, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			folder := filepath.Join(t.TempDir(), "cache")
			s := newSite(t, txtar.Parse([]byte(cacheSite)), Options{CacheDir: folder})
			first := s.bundle(t, s.b)
			must(t, s.b.Close())
			test.change(t, s, s.b.cache.path)

			again := s.reopen(t, folder)
			with := s.bundle(t, again)
			if test.want >= 0 && again.recalled != test.want || again.recalled > all {
				t.Errorf("recalled %d modules, want %d", again.recalled, test.want)
			}
			without := s.bundle(t, s.reopen(t, ""))
			if !bytes.Equal(with, without) {
				t.Errorf("with cache:\n%s\nwithout:\n%s", with, without)
			}
			if test.want == all && !bytes.Equal(with, first) {
				t.Error("the second start gives another bundle")
			}
			must(t, again.Close())
		})
	}
}

// A patched package is noticed, though the bundle of packages is kept whole.
func TestCacheDependencies(t *testing.T) {
	folder := t.TempDir()
	s := newSite(t, txtar.Parse([]byte(cacheSite)), Options{CacheDir: folder})
	old := s.path("node_modules/react/index.js")
	past := mtime(t, old).Add(-1e9 * 60)
	for _, name := range []string{"index.js", "jsx-dev-runtime.js", "package.json"} {
		must(t, os.Chtimes(s.path("node_modules/react/"+name), past, past))
		settle(t, s.path("node_modules/react/"+name))
	}
	s.bundle(t, s.b)
	must(t, s.b.Close())

	again := s.reopen(t, folder)
	if d := again.recallDependenciesOf(t, s); d == nil {
		t.Error("the packages were not kept")
	}
	must(t, again.Close())

	must(t, s.save("node_modules/react/index.js", []byte("exports.a = 'patched'")))
	again = s.reopen(t, folder)
	if out := s.bundle(t, again); !bytes.Contains(out, []byte("patched")) {
		t.Error("the patch is not in the bundle")
	}
	must(t, again.Close())
}

func (b *Builder) recallDependenciesOf(t *testing.T, s *site) *dependencies {
	s.bundle(t, b)
	return b.recallDependencies(b.deps.good.modules)
}

// What import.meta.glob became is kept as long as the same files match, and is renewed afterwards.
func TestCacheGlobs(t *testing.T) {
	folder := t.TempDir()
	s := newSite(t, txtar.Parse([]byte(`
-- src/main.tsx --
export const pages = import.meta.glob("./pages/*.ts")
-- src/pages/a.ts --
export const a = 1
`)), Options{CacheDir: folder})
	s.bundle(t, s.b)
	must(t, s.b.Close())

	start := func(recalled int, pages ...string) *Builder {
		t.Helper()
		b := s.reopen(t, folder)
		out := string(s.bundle(t, b))
		if b.recalled != recalled {
			t.Errorf("recalled %d modules, want %d", b.recalled, recalled)
		}
		if got := strings.Count(out, "lazy:/src/pages/"); got != len(pages) {
			t.Errorf("%d pages, want %q", got, pages)
		}
		for _, p := range pages {
			if !strings.Contains(out, "lazy:/src/pages/"+p) {
				t.Errorf("no %s in the bundle", p)
			}
		}
		return b
	}
	must(t, start(1, "a.ts").Close())
	must(t, s.save("src/pages/b.ts", []byte("export const b = 1")))
	must(t, start(0, "a.ts", "b.ts").Close())
	b := start(1, "a.ts", "b.ts")
	must(t, s.save("src/pages/c.ts", []byte("export const c = 1")))
	b.Rebuild(context.Background(), []string{s.path("src/pages/c.ts")})
	if out := s.bundle(t, b); !bytes.Contains(out, []byte("pages/c.ts")) {
		t.Error("a module from the cache does not know which files it means")
	}
	must(t, b.Close())
	must(t, start(1, "a.ts", "b.ts", "c.ts").Close())

	// A file that is not there when the module is compiled, but was when the cache was asked, and is later.
	d := s.path("src/pages/d.ts")
	must(t, os.WriteFile(d, nil, 0o666))
	b = s.reopen(t, folder)
	m := b.add(b.resolver.target(s.path("src/main.tsx"), ""))
	b.recall([]*module{m})
	must(t, os.Remove(d))
	b.remember(m, b.compile([]*module{m})[m])
	must(t, b.Close())
	must(t, os.WriteFile(d, nil, 0o666))
	must(t, start(0, "a.ts", "b.ts", "c.ts", "d.ts").Close())
}

// What was not there when a module was compiled may be there at the next start.
func TestCacheAbsent(t *testing.T) {
	for _, code := range []string{
		`export const asked = import("./a").catch(() => {})`,
		`let a; try { a = require("./a") } catch {}`,
	} {
		folder := t.TempDir()
		s := newSite(t, txtar.Parse([]byte("-- src/main.tsx --\n"+code+"\n")), Options{CacheDir: folder})
		s.bundle(t, s.b)
		must(t, s.b.Close())
		must(t, s.save("src/a.ts", []byte("export const a = 1")))
		again := s.reopen(t, folder)
		if out := s.bundle(t, again); !bytes.Contains(out, []byte(`/src/a.ts"`)) {
			t.Errorf("%s means no file still:\n%s", code, out[bytes.Index(out, []byte("__devserve.define")):])
		}
		must(t, again.Close())
	}
}

// The file does not grow without end, and begins again when most of it is of no use.
func TestCacheSize(t *testing.T) {
	folder := t.TempDir()
	c := openCache(folder, "/site", "print", func(err error) { t.Error(err) })
	value := bytes.Repeat([]byte("x"), 1<<20)
	for i := range 8 {
		value[0] = byte(i)
		c.put("key", bytes.Clone(value))
		c.save()
		c.writing.Wait()
	}
	c.close()
	info, err := os.Stat(c.path)
	must(t, err)
	if info.Size() > 4<<20 {
		t.Errorf("%d bytes for one record of 1 MB", info.Size())
	}
	if got := openCache(folder, "/site", "print", func(err error) { t.Error(err) }).records["key"]; !bytes.Equal(got, value) {
		t.Error("the newest record is lost")
	}
	if got := openCache(folder, "/site", "other", func(err error) { t.Error(err) }).records; len(got) != 0 {
		t.Error("a file with other options is trusted")
	}
}

// The files of sites that were not used for longest go when a process first adds to a folder that has become too large.
func TestTidyCache(t *testing.T) {
	folder := t.TempDir()
	now := time.Now()
	for i, name := range []string{"oldest", "old", "new"} {
		path := filepath.Join(folder, name)
		must(t, os.WriteFile(path, nil, 0o600))
		must(t, os.Truncate(path, cacheFolderLimit/2)) // takes no room
		must(t, os.Chtimes(path, now, now.Add(time.Duration(i-3)*time.Hour)))
	}
	must(t, os.Mkdir(filepath.Join(folder, "a folder"), 0o700))
	c := openCache(folder, "/site", "print", func(err error) { t.Error(err) })
	c.put("key", []byte("value"))
	c.close()
	var got []string
	entries, err := os.ReadDir(folder)
	must(t, err)
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if want := []string{filepath.Base(c.path), "a folder", "new"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// FuzzCache: whatever is in the file, opening it neither fails nor gives what is no record.
func FuzzCache(f *testing.F) {
	var e encoder
	e.string("x")
	f.Add(frame("key", e.data), []byte{})
	f.Add(frame("key", encodeCompiled(&compiled{code: []byte("code"), imports: []edge{{spec: "./a", id: "/a"}}}, []target{{id: "/a"}})), []byte{1, 2, 3})
	f.Fuzz(func(t *testing.T, record, tail []byte) {
		folder := t.TempDir()
		c := openCache(folder, "/site", "print", func(err error) { t.Error(err) })
		must(t, os.WriteFile(c.path, append([]byte(cacheMagic+"print\n"), append(record, tail...)...), 0o600))
		for _, value := range openCache(folder, "/site", "print", func(err error) { t.Error(err) }).records {
			decodeCompiled(value)
		}
		decodeCompiled(record)
	})
}

func (s *site) reopen(t *testing.T, cache string) *Builder {
	t.Helper()
	b, err := New(Options{Dir: s.dir, CacheDir: cache})
	must(t, err)
	return b
}

func (s *site) bundle(t *testing.T, b *Builder) []byte {
	t.Helper()
	out, err := b.Script(context.Background(), "src/main.tsx")
	must(t, err)
	if strings.Contains(string(out.Body), "failed.set") && len(b.errors) > 0 {
		t.Fatalf("%+v", b.errors)
	}
	return out.Body
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func mtime(t *testing.T, path string) time.Time {
	t.Helper()
	info, err := os.Stat(path)
	must(t, err)
	return info.ModTime()
}

// npm gives every file the same time: a package that is another one of the same size is compiled.
func TestCacheOfPackageSetBack(t *testing.T) {
	cache := t.TempDir()
	s := newSite(t, &txtar.Archive{Files: []txtar.File{
		{Name: "main.js", Data: []byte("import 'p'")},
		{Name: "node_modules/p/index.js", Data: []byte("console.log('one')")},
	}}, Options{})
	old := time.Date(1985, 10, 26, 8, 15, 0, 0, time.UTC)
	path := s.path("node_modules/p/index.js")
	for _, text := range []string{"one", "two", "six"} {
		must(t, os.WriteFile(path, []byte("console.log('"+text+"')"), 0o666))
		must(t, os.Chtimes(path, old, old))
		settle(t, path)
		for range 2 {
			b := s.reopen(t, cache)
			out, err := b.Script(context.Background(), "main.js")
			must(t, err)
			must(t, b.Close())
			if !strings.Contains(string(out.Body), text) {
				t.Errorf("no %q in what is kept", text)
			}
		}
	}
}

// settle waits until a change of the file would give it another time: what was made of it before is not kept.
func settle(t *testing.T, path string) {
	t.Helper()
	info, err := os.Stat(path)
	must(t, err)
	for ctime.Fresh(info) {
		runtime.Gosched()
	}
}
