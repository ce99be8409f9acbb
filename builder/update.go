package builder

import (
	"bytes"
	"slices"
	"strconv"
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
	w := &writer{}
	w.addString("export default ({ " + sharedHelpers + " }) => ({\n")
	for _, id := range k.ids {
		w.addString(quote(id) + ": ")
		w.add(k.modules[id].code)
		w.addString(",\n")
	}
	w.addString("});\n//# sourceMappingURL=" + b.resolver.base + resourcePrefix + "update-map?build=" + build + "\n")
	body := w.Bytes()
	return Output{Body: body, ETag: etag(body), ContentType: scriptType}, nil
}

// updateMap is the source map of one module of an update, as a page evaluates it by itself, or, without
// an ID, of the whole update's script.
func (b *Builder) updateMap(build, id string) (Output, error) {
	if out := b.updateBundle(build, id); out != nil {
		return b.sourceMap(out), nil
	}
	return Output{}, ErrNotFound
}

// updateBundle is where the modules of an update lie in what a page evaluates; see updateMap. It is nil if the
// update is not kept any more.
func (b *Builder) updateBundle(build, id string) *bundle {
	k := b.keptUpdate(build)
	if k == nil || id != "" && k.modules[id] == nil {
		return nil
	}
	out := &bundle{}
	line := 1
	for _, i := range k.ids {
		m, c := b.lookup(i), k.modules[i]
		if m != nil && (id == "" || id == i) {
			out.sections = append(out.sections, section{line, m, c})
		}
		if id == "" {
			line += bytes.Count(c.code, []byte("\n")) + 1
		}
	}
	if id == "" {
		for i := range out.sections {
			out.sections[i].line++ // the script has a line of its own first
		}
	}
	return out
}
