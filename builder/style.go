package builder

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/evanw/esbuild/pkg/api"
)

// resolveStyle resolves what a style sheet imports: other style sheets are bundled into it, files
// in url() become URLs.
func (b *Builder) resolveStyle(pb api.PluginBuild, args api.OnResolveArgs) (api.OnResolveResult, error) {
	if isRemote(args.Path) {
		return api.OnResolveResult{Path: args.Path, External: true}, nil
	}
	if args.Kind == api.ResolveCSSURLToken {
		return b.resolveURLToken(pb, args)
	}
	if args.Namespace == styleModuleNamespace {
		args.Namespace, args.Importer = "file", b.styleModulePath(args.Importer)
	}
	t, ok := b.resolver.resolve(pb, args)
	if !ok {
		return api.OnResolveResult{}, nil
	}
	if t.kind == kindStyleModule || args.Kind == api.ResolveCSSComposesFrom {
		return api.OnResolveResult{Path: virtualStyleModule(b.resolver.rel(t.path)), Namespace: styleModuleNamespace}, nil
	}
	return api.OnResolveResult{Path: t.path, Namespace: t.namespace}, nil
}

// resolveURLToken makes a URL that works from any page of a file in url().
func (b *Builder) resolveURLToken(pb api.PluginBuild, args api.OnResolveArgs) (api.OnResolveResult, error) {
	if strings.HasPrefix(args.Path, "#") || strings.HasPrefix(args.Path, "data:") {
		return api.OnResolveResult{Path: args.Path, External: true}, nil
	}
	spec, rest := args.Path, ""
	if i := strings.IndexAny(spec, "?#"); i >= 0 {
		spec, rest = spec[:i], spec[i:]
	}
	if strings.HasPrefix(spec, "/") {
		if file, ok := b.released(spec); ok {
			return api.OnResolveResult{Path: b.assetURL(file) + rest, External: true}, nil
		}
		// A URL of the site as it is; the base goes in front as it does for every page.
		if b.resolver.base != "/" && !strings.HasPrefix(spec, b.resolver.base) {
			spec = strings.TrimSuffix(b.resolver.base, "/") + spec
		}
		return api.OnResolveResult{Path: spec + rest, External: true}, nil
	}
	dir := args.ResolveDir
	path := filepath.Join(dir, filepath.FromSlash(spec)) // url(x.png) is relative, as in every browser
	if _, err := os.Stat(path); err != nil {
		args.Path = spec
		t, ok := b.resolver.resolve(pb, args)
		if !ok {
			return api.OnResolveResult{}, nil
		}
		path = t.path
	}
	return api.OnResolveResult{Path: b.assetURL(path) + rest, External: true}, nil
}

// released returns the file that a URL of the site names, if a release is being built and there is one.
func (b *Builder) released(path string) (string, bool) {
	if b.releasing == nil {
		return "", false
	}
	path, err := url.PathUnescape(path)
	if err != nil {
		return "", false
	}
	return b.releasing.site(path)
}

// virtualStyleModule gives the CSS module at rel, relative to the site, a name that no other has: a hash of its
// place before the first dot of its base name, where esbuild takes class names from.
func virtualStyleModule(rel string) string {
	sum := sha256.Sum256([]byte(rel))
	dir, base := path.Split(rel)
	stem, ext, _ := strings.Cut(base, ".")
	return dir + stem + "_" + hex.EncodeToString(sum[:3]) + "." + ext
}

// realStyleModule is the inverse of virtualStyleModule.
func realStyleModule(rel string) string {
	dir, base := path.Split(rel)
	stem, ext, _ := strings.Cut(base, ".")
	if i := strings.LastIndexByte(stem, '_'); i >= 0 {
		stem = stem[:i]
	}
	return dir + stem + "." + ext
}

// styleModulePath is the file of a CSS module in our namespace.
func (b *Builder) styleModulePath(virtual string) string {
	return filepath.Join(b.resolver.dir, filepath.FromSlash(realStyleModule(virtual)))
}

func (b *Builder) loadStyleModule(args api.OnLoadArgs) (api.OnLoadResult, error) {
	path := b.styleModulePath(args.Path)
	data, err := b.source(path) // as the cache, and who compiles ahead, have read it
	if err != nil {
		return api.OnLoadResult{}, err
	}
	contents := string(data)
	return api.OnLoadResult{Contents: &contents, ResolveDir: filepath.Dir(path), Loader: api.LoaderLocalCSS}, nil
}

// stylePrelude shows a module's sheet; classMapPrelude also exports its class map, as a whole and name by name.
const (
	stylePrelude    = "__import_meta.style();"
	classMapPrelude = stylePrelude + "var __classMap = (map) => { var all = { default: () => map }; for (let name in map) all[name] ??= () => map[name]; module.link(module.exports, all); };"
)

var className = regexp.MustCompile(`(?m)^  (?:([\w$]+)|("(?:[^"\\]|\\.)*")): "`)

// finishStyle makes a module of a style sheet. Its factory shows the sheet, which the registry
// keeps apart from the code: an edit of the sheet alone runs no JavaScript.
func finishStyle(c *compiled, code, style, smap []byte) {
	c.style = style
	if c.style == nil {
		c.style = []byte{}
	}
	c.smap = smap
	prelude := stylePrelude
	if code != nil {
		prelude = classMapPrelude
		c.exports = []string{"default"}
		for _, m := range className.FindAllSubmatch(code, -1) {
			if m[2] != nil {
				c.exports = append(c.exports, unquote(m[2]))
			} else {
				c.exports = append(c.exports, string(m[1]))
			}
		}
	}
	code, _ = cutHelpers(code)
	c.code = factory(bytes.TrimRight(code, "\n"), true, prelude)
	c.seal()
}
