package builder

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
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
		args.Namespace, args.Importer = "file", realStyleModule(args.Importer)
	}
	t, ok := b.resolver.resolve(pb, args)
	if !ok {
		return api.OnResolveResult{}, nil
	}
	if t.kind == kindStyleModule || args.Kind == api.ResolveCSSComposesFrom {
		return api.OnResolveResult{Path: virtualStyleModule(t.path, b.resolver.rel(t.path)), Namespace: styleModuleNamespace, PluginData: t.path}, nil
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

// virtualStyleModule gives the CSS module at path a name that no other has: a hash of its place before the
// first dot of its base name, where esbuild takes class names from.
func virtualStyleModule(path, rel string) string {
	sum := sha256.Sum256([]byte(rel))
	dir, base := filepath.Split(path)
	stem, ext, _ := strings.Cut(base, ".")
	return dir + stem + "_" + hex.EncodeToString(sum[:3]) + "." + ext
}

// realStyleModule is the inverse of virtualStyleModule.
func realStyleModule(path string) string {
	dir, base := filepath.Split(path)
	stem, ext, _ := strings.Cut(base, ".")
	if i := strings.LastIndexByte(stem, '_'); i >= 0 {
		stem = stem[:i]
	}
	return dir + stem + "." + ext
}

func loadStyleModule(args api.OnLoadArgs) (api.OnLoadResult, error) {
	path := realStyleModule(args.Path)
	data, err := os.ReadFile(path)
	if err != nil {
		return api.OnLoadResult{}, err
	}
	contents := string(data)
	return api.OnLoadResult{Contents: &contents, ResolveDir: filepath.Dir(path), Loader: api.LoaderLocalCSS}, nil
}

// finishStyle makes a module of a style sheet. Its factory shows the sheet, which the registry
// keeps apart from the code: an edit of the sheet alone runs no JavaScript.
func finishStyle(c *compiled, code, style, smap []byte) {
	c.style = style
	if c.style == nil {
		c.style = []byte{}
	}
	c.smap = smap
	code, c.dropped = cutHelpers(code)
	c.exports, c.reExports = scanExports(code)
	c.code = factory(bytes.TrimRight(code, "\n"), true, "__import_meta.style();")
	c.seal()
}
