package builder

import (
	"errors"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/devserve/devserve/internal/ctime"
	"github.com/devserve/devserve/internal/private"
	"github.com/evanw/esbuild/pkg/api"
)

// Resolution is esbuild's: its resolver knows tsconfig paths, package exports,
// conditions and symlinks, and what it says holds. But each call of build.Resolve makes
// a new resolver and costs about 0.1 ms (measured), which at 10,000 modules is more than compiling
// them. So relative imports of plain files, nine of ten in most code, are looked up here, in
// directory listings that live as long as the directory stays as it is; the rest is asked once per
// importing scope and remembered until files come or go.

// A target is what an import resolves to.
type target struct {
	id        string
	path      string
	query     string
	namespace string
	kind      kind
}

// resolver resolves imports for one builder. Safe for concurrent use.
type resolver struct {
	dir  string // the site's root, absolute, symlinks resolved
	base string // the URL prefix

	plugins bool // the user has plugins, which must see every import
	compat  bool // Preact stands in for React

	globLimit int // how much a call of import.meta.glob may look at

	mu    sync.Mutex
	build int // which one listings are looked up for
	dirs  map[string]listing
	asked map[question]answer
}

// A listing is what a directory holds.
type listing struct {
	names map[string]fs.FileMode // nil when it is none, or not below a directory without symlinks
	info  fs.FileInfo            // of the directory, before it was read; nil if it might change without a new time
	build int                    // that found it to hold
}

// holds reports whether l is what the directory now described by info holds.
func (l listing) holds(info fs.FileInfo) bool {
	return l.names != nil && l.info != nil && os.SameFile(l.info, info) && ctime.Of(l.info).Equal(ctime.Of(info))
}

type question struct {
	scope, spec string
	kind        api.ResolveKind
}

type answer struct {
	target target
	ok     bool
}

func newResolver(dir, base string, plugins bool) *resolver {
	r := &resolver{dir: dir, base: base, plugins: plugins, globLimit: globLimit}
	r.forget()
	return r
}

// forget drops what was remembered of the file system: files came or went.
func (r *resolver) forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.dirs = map[string]listing{}
	r.asked = map[question]answer{}
}

// begin begins a build, for which directories are looked at anew.
func (r *resolver) begin() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.build++
}

// ours marks calls of build.Resolve that come from here, so that our own OnResolve steps aside.
type ours struct{}

// resolve finds what spec means in a file of resolveDir. It reports false when nothing is
// there, and esbuild's own resolver should say why.
func (r *resolver) resolve(pb api.PluginBuild, args api.OnResolveArgs) (target, bool) {
	spec, query := splitQuery(args.Path)
	switch {
	case isRemote(args.Path):
		return target{id: args.Path, path: args.Path, kind: kindRemote}, true
	case strings.HasPrefix(spec, "/"):
		// From the site's root, as in HTML; then from public/; then as a path of this machine.
		for _, p := range []string{filepath.Join(r.dir, spec), filepath.Join(r.dir, "public", spec)} {
			if f, ok := r.file(p); ok {
				return r.target(f, query), true
			}
		}
	case !r.plugins && isRelative(spec) && args.Namespace == "file":
		if f, ok := r.file(filepath.Join(args.ResolveDir, spec)); ok {
			return r.target(f, query), true
		}
	}

	q := question{scope: args.ResolveDir, spec: args.Path, kind: args.Kind}
	if !isRelative(spec) && !r.plugins {
		q.scope = r.scope(args.ResolveDir)
	}
	r.mu.Lock()
	a, known := r.asked[q]
	r.mu.Unlock()
	if known {
		return a.target, a.ok
	}
	options := api.ResolveOptions{
		Importer: args.Importer, Namespace: args.Namespace, ResolveDir: args.ResolveDir,
		Kind: args.Kind, PluginData: ours{}, With: args.With,
	}
	res := pb.Resolve(args.Path, options)
	if len(res.Errors) > 0 && query != "" {
		if res = pb.Resolve(spec, options); len(res.Errors) == 0 {
			res.Suffix = query
		}
	}
	if len(res.Errors) > 0 && r.compat && inCompat(spec) != "" {
		res = pb.Resolve(inCompat(spec), options)
	}
	switch {
	case len(res.Errors) > 0 || res.External && isBare(res.Path):
		a = answer{}
	case res.Namespace == "file" && errors.Is(regular(res.Path), errNoFile):
		a = answer{} // esbuild will want to load it, and say who imports it when that is refused
	case res.Namespace == "file" || res.Namespace == "":
		a = answer{target: r.target(res.Path, res.Suffix), ok: true}
	default:
		id := res.Namespace + ":" + res.Path + res.Suffix
		a = answer{target: target{id: id, path: res.Path, query: res.Suffix, namespace: res.Namespace}, ok: true}
	}
	r.mu.Lock()
	r.asked[q] = a
	r.mu.Unlock()
	return a.target, a.ok
}

// target says what the file at path, absolute and without symlinks, is to the graph.
func (r *resolver) target(path, query string) target {
	t := target{id: r.id(path) + query, path: path, query: query, kind: kindOf(path)}
	switch query {
	case "":
		return t
	case "?raw":
		t.kind = kindText
	case "?url":
		t.kind = kindURL
	case "?inline":
		t.kind = kindInline
	case "?worker":
		t.kind = kindWorker
	default: // a cache buster, or somebody's convention: the same module
		t.id, t.query = r.id(path), ""
	}
	return t
}

// id is the ID of the file at path.
func (r *resolver) id(path string) string {
	rel := r.rel(path)
	if filepath.IsAbs(rel) || strings.HasPrefix(rel, "../") {
		return rel
	}
	return r.base + rel
}

// rel is path relative to the site's root, with slashes; absolute where that cannot be.
func (r *resolver) rel(path string) string {
	rel, err := filepath.Rel(r.dir, path)
	if err != nil {
		return filepath.ToSlash(path)
	}
	return filepath.ToSlash(rel)
}

// abs is the path of what rel gave.
func (r *resolver) abs(rel string) string {
	if path := filepath.FromSlash(rel); filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(r.dir, filepath.FromSlash(rel))
}

// url is the URL path of a file of the site, and false for one outside.
func (r *resolver) url(path string) (string, bool) {
	rel := r.rel(path)
	if rest, ok := strings.CutPrefix(rel, "public/"); ok {
		rel = rest
	}
	if rel == "." || rel == ".." || strings.HasPrefix(rel, "../") || filepath.IsAbs(rel) {
		return "", false
	}
	return (&url.URL{Path: r.base + rel}).EscapedPath(), true
}

// extensions are tried in esbuild's order for an import without one.
var extensions = []string{".tsx", ".ts", ".jsx", ".js", ".css", ".json"}

// rewrites are what TypeScript means by an import of the file that it will emit.
var rewrites = map[string][]string{
	".js": {".ts", ".tsx"}, ".jsx": {".ts", ".tsx"}, ".mjs": {".mts"}, ".cjs": {".cts"},
}

// file finds a regular file that an import of path means, without asking esbuild: the
// path as it is, with an extension, or with the one that TypeScript renames. Directories and
// symlinks are left to esbuild.
func (r *resolver) file(path string) (string, bool) {
	dir, base := filepath.Split(path)
	names := r.list(filepath.Clean(dir))
	if names == nil || base == "" {
		return "", false
	}
	try := func(name string) bool { mode, ok := names[name]; return ok && mode.IsRegular() }
	if try(base) {
		return path, true
	}
	if _, taken := names[base]; taken {
		return "", false
	}
	for _, ext := range extensions {
		if try(base + ext) {
			return path + ext, true
		}
		if _, taken := names[base+ext]; taken {
			return "", false
		}
	}
	ext := filepath.Ext(base)
	for _, other := range rewrites[ext] {
		if try(strings.TrimSuffix(base, ext) + other) {
			return strings.TrimSuffix(path, ext) + other, true
		}
	}
	return "", false
}

// list returns the names in dir, or nil when it is none, or not below a directory without symlinks. A listing of an earlier build
// is taken where the directory has not changed since.
func (r *resolver) list(dir string) map[string]fs.FileMode {
	r.mu.Lock()
	defer r.mu.Unlock()
	l, known := r.dirs[dir]
	if known && l.build == r.build {
		return l.names
	}
	info, err := os.Stat(dir)
	if err != nil || !l.holds(info) {
		l = listing{names: readNames(dir)}
		if err == nil && !ctime.Fresh(info) {
			l.info = info
		}
	}
	l.build = r.build
	r.dirs[dir] = l
	return l.names
}

func readNames(dir string) map[string]fs.FileMode {
	if real, err := filepath.EvalSymlinks(dir); err != nil || real != dir {
		return nil
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	names := make(map[string]fs.FileMode, len(entries))
	for _, e := range entries {
		names[e.Name()] = e.Type()
	}
	return names
}

// scope is the nearest directory above dir that can make a bare import mean something else.
func (r *resolver) scope(dir string) string {
	for d := dir; ; {
		for _, name := range []string{"package.json", "tsconfig.json", "jsconfig.json", "node_modules"} {
			if _, ok := r.list(d)[name]; ok {
				return d
			}
		}
		up := filepath.Dir(d)
		if up == d {
			return d
		}
		d = up
	}
}

// unknownQueries are what other bundlers make of assets by a query, and what to do here.
var unknownQueries = map[string]string{
	"?react": "devserve makes no components of images: import the URL without the query for <img src>, or write the image as JSX",
	"?init":  "devserve starts no WebAssembly: import the URL without the query, and call WebAssembly.instantiateStreaming(fetch(url))",
}

// refuse returns an error for an import of a target by a query that would mean something else elsewhere. A plugin may know it.
func (r *resolver) refuse(t target, spec string) error {
	_, query := splitQuery(spec)
	if cure := unknownQueries[query]; cure != "" && t.kind == kindURL && t.namespace == "" && !r.plugins {
		return errors.New(spec + ": " + cure)
	}
	return nil
}

// kindOf says what a file is by its name.
func kindOf(path string) kind {
	ext := strings.ToLower(filepath.Ext(path))
	switch {
	case scripts[ext] || ext == ".json":
		if inNodeModules(path) {
			return kindDependency
		}
		if ext == ".json" {
			return kindJSON
		}
		return kindScript
	case strings.HasSuffix(strings.ToLower(path), ".module.css"):
		return kindStyleModule
	case ext == ".css":
		return kindStyle
	case ext == ".txt":
		return kindText
	case assets[ext] != "":
		return kindURL
	}
	return kindScript // and esbuild says that it has no loader for it, unless a plugin has
}

// secret returns an error for a file that no page may have as text or by URL, because of its name. Code is what its author
// has made for pages, wherever it lies, and so are images and the like.
func (r *resolver) secret(kind kind, path string) error {
	if kind != kindText && kind != kindURL && kind != kindInline || assets[strings.ToLower(filepath.Ext(path))] != "" || kindOf(path).isStyle() {
		return nil
	}
	name := r.rel(path)
	if i := strings.LastIndex(name, packages); i >= 0 {
		name = name[i+len(packages):]
	}
	for strings.HasPrefix(name, "../") {
		name = name[len("../"):]
	}
	if private.Name(name) {
		return errors.New("files of this name are never served, as they may hold secrets: give it another name to import it")
	}
	return nil
}

const packages = "/node_modules/"

func inNodeModules(path string) bool {
	return strings.Contains(filepath.ToSlash(path), packages)
}

var scripts = map[string]bool{
	".js": true, ".mjs": true, ".cjs": true, ".jsx": true,
	".ts": true, ".mts": true, ".cts": true, ".tsx": true,
}

// assets are imported as URLs. The values are MIME types, for data URLs and for files
// that are served from outside the site.
var assets = map[string]string{
	".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".gif": "image/gif", ".webp": "image/webp",
	".avif": "image/avif", ".ico": "image/x-icon", ".bmp": "image/bmp", ".svg": "image/svg+xml", ".apng": "image/apng",
	".jxl": "image/jxl", ".cur": "image/x-icon",
	".woff": "font/woff", ".woff2": "font/woff2", ".ttf": "font/ttf", ".otf": "font/otf", ".eot": "application/vnd.ms-fontobject",
	".mp4": "video/mp4", ".webm": "video/webm", ".ogv": "video/ogg", ".mov": "video/quicktime", ".m4v": "video/mp4",
	".mp3": "audio/mpeg", ".wav": "audio/wav", ".ogg": "audio/ogg", ".flac": "audio/flac", ".aac": "audio/aac",
	".opus": "audio/ogg", ".m4a": "audio/mp4", ".vtt": "text/vtt",
	".pdf": "application/pdf", ".wasm": "application/wasm", ".webmanifest": "application/manifest+json",
	".glb": "model/gltf-binary", ".gltf": "model/gltf+json", ".bin": "application/octet-stream",
}

func isRelative(spec string) bool {
	return spec == "." || spec == ".." || strings.HasPrefix(spec, "./") || strings.HasPrefix(spec, "../")
}

func isBare(spec string) bool {
	return !isRelative(spec) && !strings.HasPrefix(spec, "/") && !filepath.IsAbs(spec)
}

func isRemote(spec string) bool {
	return strings.HasPrefix(spec, "https://") || strings.HasPrefix(spec, "http://") || strings.HasPrefix(spec, "//")
}

// splitQuery cuts a trailing ?query off an import. A "#" starts none: package imports do.
func splitQuery(spec string) (path, query string) {
	if i := strings.IndexByte(spec, '?'); i >= 0 && !isRemote(spec) {
		return spec[:i], spec[i:]
	}
	return spec, ""
}

// missingPackage lists the directories in which a bare import that was not found would
// be found if it were installed, and the files there that would come first.
func missingPackage(dir, spec string) []string {
	name := filepath.FromSlash(packageName(spec))
	var out []string
	for d := dir; ; {
		in := filepath.Join(d, "node_modules", name)
		out = append(out, in, filepath.Join(in, "package.json"))
		up := filepath.Dir(d)
		if up == d {
			return out
		}
		d = up
	}
}

// packageName is the package that a bare import names: "a" of a/b, "@a/b" of @a/b/c.
func packageName(spec string) string {
	parts := strings.SplitN(spec, "/", 3)
	if strings.HasPrefix(spec, "@") && len(parts) > 1 {
		return parts[0] + "/" + parts[1]
	}
	return parts[0]
}
