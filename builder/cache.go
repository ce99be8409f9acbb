package builder

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/devserve/devserve/internal/ctime"
	"github.com/evanw/esbuild/pkg/api"
)

// What was compiled is kept on disk, so that a second start compiles what changed since the first.
//
// One file a site holds one record a module: a key, made of the module's ID, its content, and the content of every
// file that tells esbuild how to compile it; and what came of it. That key says nothing of what
// the imports mean, so they are resolved again, and a record that remembers another answer is not used. A record is
// trusted if its checksum holds, a file if it was written by the same program with the same options. Anything else
// is thrown away: losing a record costs milliseconds.
//
// Records are appended, by one write for each build; when more than half of the file is of no use any more it is written anew.

const (
	cacheMagic = "devserve cache 1\n"

	// cacheFolderLimit bounds the folder of all sites, in bytes; the file that was used longest ago goes first.
	cacheFolderLimit = 1 << 30

	// cacheFileLimit bounds the file of one site: 10,000 modules of 10 KB take 100 MB.
	cacheFileLimit = 512 << 20
)

// cache is what is kept of one site. Its methods are called under Builder.mu, save for write.
type cache struct {
	path    string
	print   string            // of program and options: what the file must begin with
	records map[string][]byte // by key; parts of the file as it was read, or new
	size    int               // bytes of all records
	dead    int               // bytes of the file that no record needs
	fresh   [][]byte          // framed records that are not in the file yet
	writing sync.WaitGroup
	mu      sync.Mutex  // one write at a time; guards tidied
	tidied  bool        // the folder, by this process
	failed  func(error) // is told of the first write that fails
}

// openCache reads the cache of the site in dir, or begins an empty one. It returns nil if there is no folder for it.
func openCache(folder, dir, print string, failed func(error)) *cache {
	if folder == "" {
		return nil
	}
	sum := sha256.Sum256([]byte(dir))
	c := &cache{path: filepath.Join(folder, hex.EncodeToString(sum[:10])), print: print, records: map[string][]byte{}}
	var once sync.Once
	c.failed = func(err error) { once.Do(func() { failed(err) }) }
	data, err := readRegular(c.path)
	if err != nil {
		return c
	}
	head := cacheMagic + print + "\n"
	if len(data) < len(head) || string(data[:len(head)]) != head {
		_ = os.Remove(c.path) // of another version, or with other options
		return c
	}
	for rest := data[len(head):]; len(rest) > 0; {
		key, value, size, ok := unframe(rest)
		if !ok { // torn: what comes after cannot be found
			_ = os.Remove(c.path)
			return c
		}
		c.set(key, value)
		rest = rest[size:]
	}
	now := time.Now()
	_ = os.Chtimes(c.path, now, now) // it is in use
	return c
}

// A record is framed as its length, a checksum, its key and its value.
func frame(key string, value []byte) []byte {
	body := binary.AppendUvarint(nil, uint64(len(key)))
	body = append(append(body, key...), value...)
	out := binary.LittleEndian.AppendUint32(nil, uint32(len(body)))
	out = binary.LittleEndian.AppendUint32(out, crc32.ChecksumIEEE(body))
	return append(out, body...)
}

func unframe(data []byte) (key string, value []byte, size int, ok bool) {
	if len(data) < 8 {
		return
	}
	n := int(binary.LittleEndian.Uint32(data))
	if n < 0 || n > len(data)-8 || crc32.ChecksumIEEE(data[8:8+n]) != binary.LittleEndian.Uint32(data[4:]) {
		return
	}
	d := decoder{data: data[8 : 8+n]}
	key = d.string()
	return key, d.data, 8 + n, !d.failed
}

func (c *cache) set(key string, value []byte) {
	old := len(c.records[key])
	c.dead += old
	c.size += len(value) - old
	c.records[key] = value
}

func (c *cache) put(key string, value []byte) {
	c.set(key, value)
	c.fresh = append(c.fresh, frame(key, value))
}

// save writes what is new, in the background. Close waits for it.
func (c *cache) save() {
	if c == nil || len(c.fresh) == 0 {
		return
	}
	fresh := c.fresh
	c.fresh = nil
	var all map[string][]byte // of a file that begins anew
	if c.dead > c.size+1<<20 || c.size > cacheFileLimit {
		if c.size > cacheFileLimit { // with what is in use now
			c.records, c.size = map[string][]byte{}, 0
			for _, f := range fresh {
				if key, value, _, ok := unframe(f); ok {
					c.set(key, value)
				}
			}
		}
		all, fresh, c.dead = maps.Clone(c.records), nil, 0
	}
	c.writing.Go(func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		defer func() {
			if v := recover(); v != nil {
				c.failed(fmt.Errorf("panic: %v\n%s", v, debug.Stack()))
			}
		}()
		if all != nil {
			for key, value := range all {
				fresh = append(fresh, frame(key, value))
			}
			_ = os.Remove(c.path)
		}
		if err := c.add(fresh); err != nil { // costs the cache and nothing else
			c.failed(err)
		}
	})
}

// add appends records to the file, which it makes if there is none.
func (c *cache) add(frames [][]byte) error {
	if err := os.MkdirAll(filepath.Dir(c.path), 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(c.path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	var out []byte
	if info.Size() == 0 {
		out = append(out, cacheMagic+c.print+"\n"...)
	}
	for _, frame := range frames {
		out = append(out, frame...)
	}
	if _, err := f.Write(out); err != nil {
		return errors.Join(err, f.Truncate(info.Size()))
	}
	if !c.tidied {
		c.tidied = true
		tidyCache(filepath.Dir(c.path), c.path)
	}
	return nil
}

// tidyCache removes the files of sites that were not used for longest, until the folder is small enough.
func tidyCache(folder, keep string) {
	entries, _ := os.ReadDir(folder) // none: another process may have removed it
	var files []fs.FileInfo
	var total int64
	for _, e := range entries {
		if info, err := e.Info(); err == nil && info.Mode().IsRegular() {
			files = append(files, info)
			total += info.Size()
		}
	}
	slices.SortFunc(files, func(x, y fs.FileInfo) int { return x.ModTime().Compare(y.ModTime()) })
	for _, f := range files {
		if total <= cacheFolderLimit {
			break
		}
		if path := filepath.Join(folder, f.Name()); path != keep && os.Remove(path) == nil {
			total -= f.Size()
		}
	}
}

func (c *cache) close() {
	if c != nil {
		c.save()
		c.writing.Wait()
	}
}

// uncached says that nothing is kept, and the cure.
func (b *Builder) uncached(err error) {
	if e := (*fs.PathError)(nil); errors.As(err, &e) {
		err = e.Err
	}
	b.log.Warn(fmt.Sprintf("compiled modules cannot be kept in %s: %v; every start compiles the whole site until there is room or --cache (CacheDir) names another folder", b.o.CacheDir, err))
}

// fingerprint tells one program with its options from another: the versions of all that is linked
// in, and, as these are unknown while devserve itself is being written, the executable.
func (b *Builder) fingerprint() string {
	h := sha256.New()
	if info, ok := debug.ReadBuildInfo(); ok {
		io.WriteString(h, info.String())
	}
	if exe, err := os.Executable(); err == nil {
		if info, err := os.Stat(exe); err == nil {
			fmt.Fprintln(h, info.Size(), info.ModTime().UnixNano())
		}
	}
	define, _ := json.Marshal(b.o.Define) // a map of strings always marshals, in order
	fmt.Fprintln(h, b.resolver.dir, b.resolver.base, string(define))
	return hex.EncodeToString(h.Sum(nil))
}

// recall finds those of ms that were compiled before as they are now. It reads their files; the
// others are compiled from what it has read.
func (b *Builder) recall(ms []*module) map[*module]result {
	type candidate struct {
		m       *module
		data    []byte
		err     error
		c       *compiled // nil if there is none
		targets []target
	}
	var candidates []candidate
	for _, m := range ms {
		if (m.kind == kindScript || m.kind.isStyle()) && m.namespace == "" {
			candidates = append(candidates, candidate{m: m})
		}
	}
	inParallel(len(candidates), func(i int) {
		x := &candidates[i]
		x.data, x.err = b.source(x.m.path)
	})
	candidates = slices.DeleteFunc(candidates, func(x candidate) bool { return x.err != nil }) // esbuild says what is wrong
	for i := range candidates {
		x := &candidates[i] // one after another, as they share what they find out
		if x.m.kind == kindScript {
			if tail, _, _ := b.resolver.globs(x.data, x.m.path); tail != nil {
				x.data = slices.Concat(x.data, tail)
			}
		}
		b.configOf(filepath.Dir(x.m.path))
	}
	inParallel(len(candidates), func(i int) {
		x := &candidates[i]
		x.m.key = b.cacheKey(x.m, x.data)
		if record, ok := b.cache.records[x.m.key]; ok {
			if c, targets, ok := decodeCompiled(record); ok {
				x.c, x.targets = c, targets
			}
		}
	})
	candidates = slices.DeleteFunc(candidates, func(x candidate) bool { return x.c == nil })
	hits := map[*module]result{}
	if len(candidates) == 0 {
		return hits
	}
	b.session(func(pb api.PluginBuild) {
		for _, x := range candidates {
			same := true
			for i, e := range x.c.imports {
				kind := api.ResolveJSImportStatement
				if e.lazy {
					kind = api.ResolveJSDynamicImport
				} else if e.require {
					kind = api.ResolveJSRequireCall
				}
				t, ok := b.resolver.resolve(pb, api.OnResolveArgs{
					Path: e.spec, Importer: x.m.path, Namespace: "file", ResolveDir: filepath.Dir(x.m.path), Kind: kind,
				})
				if same = ok && t == x.targets[i]; !same {
					break
				}
			}
			if !same {
				continue
			}
			for _, t := range x.targets {
				b.learn(t)
			}
			hits[x.m] = result{compiled: x.c}
			b.recalled++
		}
	})
	return hits
}

// remember keeps what a module was compiled to.
func (b *Builder) remember(m *module, r result) {
	c := r.compiled
	if m.key == "" || c == nil || len(r.errors) > 0 || len(c.warnings) > 0 || len(c.inputs) > 0 || c.unresolved {
		return // what else went in, or will once it is there, is not in the key
	}
	key := m.key
	if c.tail != nil { // other files may have matched when the cache was asked
		data, err := b.source(m.path)
		if err != nil {
			return
		}
		key = b.cacheKey(m, slices.Concat(data, c.tail))
	}
	targets := make([]target, len(c.imports))
	for i, e := range c.imports {
		t, ok := b.learned[e.id]
		if !ok {
			return
		}
		targets[i] = t
	}
	b.cache.put(key, encodeCompiled(c, targets))
}

// session runs f while esbuild resolves imports for it.
func (b *Builder) session(f func(pb api.PluginBuild)) {
	o := b.baseOptions()
	o.Stdin = &api.StdinOptions{ResolveDir: b.resolver.dir}
	o.Plugins = append([]api.Plugin{{Name: pluginName, Setup: func(pb api.PluginBuild) {
		pb.OnStart(func() (api.OnStartResult, error) {
			f(pb)
			return api.OnStartResult{}, nil
		})
	}}}, b.o.Plugins...)
	b.esbuild(o)
}

// cacheKey is of a module's ID, its content, and what tells esbuild how to compile it.
func (b *Builder) cacheKey(m *module, data []byte) string {
	h := sha256.New()
	fmt.Fprintf(h, "%s\n%d\n%v\n%s\n", m.id, m.kind, b.jsx, b.configOf(filepath.Dir(m.path)).sum)
	h.Write(data)
	return string(h.Sum(nil)[:16])
}

// readRegular reads a regular file; anything else, such as a pipe, is an error at once.
func readRegular(path string) ([]byte, error) {
	if err := regular(path); err != nil {
		return nil, err
	}
	return os.ReadFile(path)
}

var errNoFile = errors.New("it is no regular file")

// regular returns an error for what is there and is no regular file: reading a pipe would never end.
func regular(path string) error {
	info, err := os.Stat(path)
	if err == nil && !info.Mode().IsRegular() {
		return &fs.PathError{Op: "read", Path: path, Err: errNoFile}
	}
	return err
}

// Dependencies are kept whole. Their key is what they offer; they hold while every file that went in,
// and every package.json and lock file beside, has the size and the times that it had.

func (b *Builder) recallDependencies(ms []*module) *dependencies {
	if b.cache == nil {
		return nil
	}
	record, ok := b.cache.records[b.dependencyKey(ms)]
	if !ok {
		return nil
	}
	d := decoder{data: record}
	out := &dependencies{modules: ms, hash: d.string(), code: d.bytes(), style: d.bytes(), esm: d.strings(), inputs: d.strings()}
	for range d.length() {
		out.sources = append(out.sources, d.target())
	}
	stamps := d.string()
	if d.failed || stamps != stamp(out.inputs) {
		return nil
	}
	for _, m := range ms {
		out.ids = append(out.ids, m.id)
	}
	slices.Sort(out.ids)
	for _, t := range out.sources {
		b.learn(t)
	}
	return out
}

// rememberDependencies keeps a bundle that was begun at a time.
func (b *Builder) rememberDependencies(d *dependencies, began time.Time) {
	if b.cache == nil || len(d.errors) > 0 {
		return
	}
	for _, path := range d.inputs {
		if info, err := os.Stat(path); err != nil || ctime.Of(info).After(began.Add(-ctime.Tick)) {
			return // it may have changed while it was being read
		}
	}
	var e encoder
	e.string(d.hash)
	e.bytes(d.code)
	e.bytes(d.style)
	e.strings(d.esm)
	e.strings(d.inputs)
	e.count(len(d.sources))
	for _, t := range d.sources {
		e.target(t)
	}
	e.string(stamp(d.inputs))
	b.cache.put(b.dependencyKey(d.modules), e.data)
}

func (b *Builder) dependencyKey(ms []*module) string {
	h := sha256.New()
	io.WriteString(h, "dependencies\n"+string(b.jsx.library)+"\n"+b.configOf(b.resolver.dir).sum+"\n")
	for _, m := range ms {
		fmt.Fprintln(h, m.id, m.path)
	}
	return string(h.Sum(nil)[:16])
}

// stamp hashes size and time of files, and of the package.json and lock files that decide which files they are.
func stamp(paths []string) string {
	h := sha256.New()
	add := func(path string) {
		if info, err := os.Stat(path); err == nil {
			fmt.Fprintln(h, path, info.Size(), info.ModTime().UnixNano(), ctime.Of(info).UnixNano())
		} else {
			fmt.Fprintln(h, path, "none")
		}
	}
	dirs := map[string]bool{}
	for _, p := range paths {
		add(p)
		for d := filepath.Dir(p); !dirs[d]; d = filepath.Dir(d) {
			dirs[d] = true
		}
	}
	for _, d := range sortedKeys(dirs) {
		for _, name := range []string{"package.json", "package-lock.json", "yarn.lock", "pnpm-lock.yaml", "bun.lock"} {
			add(filepath.Join(d, name))
		}
		if filepath.Base(d) == "node_modules" {
			add(filepath.Join(d, ".package-lock.json"))
		}
	}
	return hex.EncodeToString(h.Sum(nil))
}

func encodeCompiled(c *compiled, targets []target) []byte {
	var e encoder
	e.bytes(c.code)
	e.bool(c.style != nil)
	e.bytes(c.style)
	e.count(c.dropped)
	e.string(c.hash)
	e.string(c.styleHash)
	e.bool(c.esm)
	e.bool(c.async)
	e.bool(c.accepts)
	e.bool(c.acceptsExports)
	e.strings(c.exports)
	e.strings(c.reExports)
	e.strings(c.looked)
	e.count(len(c.globs))
	for _, s := range c.globs {
		e.strings(s.in)
		e.strings(s.not)
		e.bool(s.all)
	}
	e.count(len(c.uses))
	for _, u := range c.uses {
		e.string(u.id)
		e.string(u.name)
	}
	e.count(len(c.imports))
	for i, x := range c.imports {
		e.string(x.spec)
		e.string(x.id)
		e.bool(x.lazy)
		e.bool(x.require)
		e.target(targets[i])
	}
	return e.data
}

func decodeCompiled(data []byte) (*compiled, []target, bool) {
	d := decoder{data: data}
	c := &compiled{code: d.bytes()}
	if styled := d.bool(); styled {
		c.style = append([]byte{}, d.bytes()...)
	} else {
		d.bytes()
	}
	c.dropped = d.count()
	c.hash, c.styleHash = d.string(), d.string()
	c.esm, c.async, c.accepts, c.acceptsExports = d.bool(), d.bool(), d.bool(), d.bool()
	c.exports, c.reExports, c.looked = d.strings(), d.strings(), d.strings()
	for range d.length() {
		c.globs = append(c.globs, selection{d.strings(), d.strings(), d.bool()})
	}
	for range d.length() {
		c.uses = append(c.uses, use{d.string(), d.string()})
	}
	var targets []target
	for range d.length() {
		c.imports = append(c.imports, edge{spec: d.string(), id: d.string(), lazy: d.bool(), require: d.bool()})
		targets = append(targets, d.target())
	}
	return c, targets, !d.failed && len(d.data) == 0
}

// encoder and decoder write and read values one after another: numbers as varints, texts after their length.
type encoder struct{ data []byte }

func (e *encoder) count(n int)     { e.data = binary.AppendUvarint(e.data, uint64(n)) }
func (e *encoder) string(s string) { e.count(len(s)); e.data = append(e.data, s...) }
func (e *encoder) bytes(b []byte)  { e.count(len(b)); e.data = append(e.data, b...) }

func (e *encoder) bool(b bool) {
	if b {
		e.count(1)
	} else {
		e.count(0)
	}
}

func (e *encoder) strings(list []string) {
	e.count(len(list))
	for _, s := range list {
		e.string(s)
	}
}

func (e *encoder) target(t target) {
	e.strings([]string{t.id, t.path, t.query, t.namespace})
	e.count(int(t.kind))
}

// decoder reads from the front of data. After anything that is not there it has failed and gives zeros.
type decoder struct {
	data   []byte
	failed bool
}

func (d *decoder) count() int {
	n, size := binary.Uvarint(d.data)
	if size <= 0 || n > 1<<40 {
		d.failed, d.data = true, nil
		return 0
	}
	d.data = d.data[size:]
	return int(n)
}

// length is a count of things that are still to come, so it cannot be more than there are bytes.
func (d *decoder) length() int {
	n := d.count()
	if n > len(d.data) {
		d.failed, d.data = true, nil
		return 0
	}
	return n
}

func (d *decoder) bytes() []byte {
	n := d.length()
	b := d.data[:n:n]
	d.data = d.data[n:]
	return b
}

func (d *decoder) string() string { return string(d.bytes()) }
func (d *decoder) bool() bool     { return d.count() == 1 }

func (d *decoder) strings() []string {
	n := d.length()
	var list []string
	for range n {
		list = append(list, d.string())
	}
	return list
}

func (d *decoder) target() target {
	parts := d.strings()
	if len(parts) != 4 {
		d.failed, d.data = true, nil
		return target{}
	}
	return target{id: parts[0], path: parts[1], query: parts[2], namespace: parts[3], kind: kind(d.count())}
}
