package builder

import (
	"bytes"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// Updates are kept for a while: a page whose Content-Security-Policy forbids eval loads their code by
// URL, a large update is not sent in the event at all, and DevTools ask for the source maps of what was replaced.

// kept is how many updates are kept, and keptBytes how much code at most. A page that
// comes too late reloads.
const (
	kept      = 64
	keptBytes = 32 << 20
)

// A keptUpdate is what one build changed.
type keptUpdate struct {
	build   int64
	modules map[string]*compiled
	ids     []string
	bytes   int
}

// keep remembers the modules of r's updates.
func (b *Builder) keep(r *Result) {
	k := keptUpdate{build: r.Build, modules: map[string]*compiled{}}
	for _, u := range r.Updates {
		if m := b.lookup(u.Path); u.Type == JS && m != nil {
			k.modules[m.id] = m.good
			k.ids = append(k.ids, m.id)
			k.bytes += len(m.good.code)
		}
	}
	b.updates = append(b.updates, k)
	total := 0
	for i := len(b.updates) - 1; i >= 0; i-- {
		if total += b.updates[i].bytes; i < len(b.updates)-1 && total > keptBytes || len(b.updates)-i > kept {
			b.updates = slices.Delete(b.updates, 0, i+1)
			break
		}
	}
}

func (b *Builder) keptUpdate(build string) *keptUpdate {
	n, err := strconv.ParseInt(build, 10, 64)
	i := slices.IndexFunc(b.updates, func(k keptUpdate) bool { return k.build == n })
	if err != nil || i < 0 {
		return nil
	}
	return &b.updates[i]
}

// updateScript is an ES module whose default export makes the factories of one update.
func (b *Builder) updateScript(build string) (Output, error) {
	k := b.keptUpdate(build)
	if k == nil {
		return Output{}, ErrNotFound
	}
	out := &bundle{}
	w := &writer{}
	w.addString("export default ({ " + sharedHelpers + " }) => ({\n")
	for _, id := range k.ids {
		w.addString(quote(id) + ": ")
		c := k.modules[id]
		out.sections = append(out.sections, section{line: w.lines + 1, smap: c.smap, dropped: c.dropped})
		w.add(c.code)
		w.addString(",\n")
	}
	w.addString("});\n//# sourceMappingURL=" + b.resolver.base + resourcePrefix + "update-map/" + build + "\n")
	body := w.Bytes()
	return Output{Body: body, ETag: etag(body), ContentType: scriptType}, nil
}

// updateMap is the source map of one module of an update, as a page evaluates it by itself (name is
// "build/ID", the ID escaped), or of the whole update's script.
func (b *Builder) updateMap(name string) (Output, error) {
	build, id, one := strings.Cut(name, "/")
	k := b.keptUpdate(build)
	if k == nil {
		return Output{}, ErrNotFound
	}
	out := &bundle{}
	if one {
		if unescaped, err := url.PathUnescape(id); err == nil {
			id = unescaped
		}
		c := k.modules[id]
		if c == nil {
			return Output{}, ErrNotFound
		}
		out.sections = []section{{line: 1, smap: c.smap, dropped: c.dropped}}
	} else {
		line := 1
		for _, id := range k.ids {
			c := k.modules[id]
			out.sections = append(out.sections, section{line: line + 1, smap: c.smap, dropped: c.dropped})
			line += bytes.Count(c.code, []byte("\n")) + 1
		}
	}
	body := b.sourceMap(out)
	return Output{Body: body, ETag: etag(body), ContentType: "application/json"}, nil
}

// asyncModules says whether any module has top-level await.
func (b *Builder) asyncModules() bool {
	for _, m := range b.modules {
		if m.good != nil && m.good.async {
			return true
		}
	}
	return false
}
