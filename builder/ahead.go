package builder

import "bytes"

// maxAhead is how large a file may be, in bytes, that is compiled ahead: a larger one takes longer to compile than to settle,
// and who waits for a build should be told that one has begun.
const maxAhead = 256 << 10

// An ahead is what a file became while it settled.
type ahead struct {
	m    *module
	data []byte // as the file was read
	result
}

// Ahead compiles the module at path, which has been written, while nobody knows yet whether that was all: the next
// [Builder.Rebuild] takes what came out if the file is still the same then and nothing else has changed. It returns at once when
// there is nothing to do, or when a build runs. With plugins nothing is done ahead, as others may see what they do.
func (b *Builder) Ahead(path string) {
	if len(b.o.Plugins) > 0 || b.closing.Load() || !b.mu.TryLock() {
		return
	}
	defer b.mu.Unlock()
	var err error
	defer b.caught("a compile ahead", &err) // Rebuild tells
	ms := b.byFile[path]
	if len(ms) != 1 || ms[0].path != path || ms[0].kind != kindScript && !ms[0].kind.isStyle() {
		return
	}
	m := ms[0]
	data, err := readRegular(path)
	if err != nil || len(data) == 0 || len(data) > maxAhead || b.ahead != nil && b.ahead.m == m && bytes.Equal(b.ahead.data, data) {
		return
	}
	if b.cache != nil {
		key := b.cacheKey(m, data)
		if _, known := b.cache.records[key]; known || key == m.key {
			return
		}
	}
	b.resolver.begin()
	b.sources = map[string][]byte{path: data}
	defer func() { b.sources = nil }()
	b.ahead = &ahead{m, data, b.compile([]*module{m})[m]}
}

// compiledAhead returns what Ahead has made of ms, if that is what the files say now. It is asked for once.
func (b *Builder) compiledAhead(ms []*module) (result, bool) {
	a := b.ahead
	b.ahead = nil
	if a == nil || len(ms) != 1 || ms[0] != a.m {
		return result{}, false
	}
	data, err := b.source(a.m.path)
	return a.result, err == nil && bytes.Equal(data, a.data)
}
