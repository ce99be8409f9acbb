package production

import (
	"bytes"
	"cmp"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/devserve/devserve/builder"
	"golang.org/x/net/html"
)

// A page is read once, by tokens, for the places where it names files: attributes, and url() in its style sheets. When those are
// built the places are written over, and what the page's modules need beside is put at the end of its head. All other bytes
// stay, whatever they are.

// A page is an HTML file of the site.
type page struct {
	name string // relative to the site, slash-separated
	src  []byte
	refs []ref
	base string // the href of its <base>
	head int    // where the head ends; -1 if that is not said
}

// A ref is a place in a page that names one file, or several.
type ref struct {
	tag        string // "script", …
	start, end int    // what is written over: an attribute's value with its quotes, the text in url()
	attribute  bool
	text       string // what stands there
	links      []link // parts of text

	module bool   // a module script: what it needs is put into the head
	attrs  string // that go with that: crossorigin, nonce
	inline bool   // start and end are those of a script's code, at is the end of its start tag
	at     int
}

// A link is a part of a ref's text.
type link struct {
	start, end int
	use        builder.EntryUse
	must       bool   // what is not there is an error
	name       string // the file of the site; "" for what is left as it is
	fragment   string
	public     bool
	entry      builder.Entry
}

// uses tells what the attributes of HTML elements name. What a page may do without, or have from elsewhere, is none of ours.
var uses = map[string][]string{
	"audio": {"src"}, "embed": {"src"}, "img": {"src"}, "image": {"href", "xlink:href"}, "input": {"src"}, "object": {"data"},
	"source": {"src"}, "track": {"src"}, "use": {"href", "xlink:href"}, "feimage": {"href", "xlink:href"}, "video": {"src", "poster"},
}

// metas are the properties of <meta> whose content is a URL of a file.
var metas = []string{
	"og:image", "og:image:url", "og:image:secure_url", "og:audio", "og:audio:secure_url", "og:video", "og:video:secure_url",
	"twitter:image", "msapplication-tileimage", "msapplication-square70x70logo", "msapplication-square150x150logo",
	"msapplication-wide310x150logo", "msapplication-square310x310logo", "msapplication-config",
}

// linked tells what the rel of a <link> says of the file.
func linked(rel, as string) (use builder.EntryUse, must, ok bool) {
	words := strings.Fields(strings.ToLower(rel))
	has := func(w string) bool { return slices.Contains(words, w) }
	switch {
	case has("stylesheet"):
		return builder.EntryStyle, true, true
	case has("modulepreload"):
		return builder.EntryModule, true, true
	case has("preload") && strings.EqualFold(as, "style"):
		return builder.EntryStyle, false, true
	case has("icon"), has("apple-touch-icon"), has("apple-touch-icon-precomposed"), has("apple-touch-startup-image"), has("mask-icon"),
		has("fluid-icon"), has("manifest"), has("preload"), has("prefetch"), has("image_src"):
		return builder.EntryAsset, false, true
	}
	return 0, false, false
}

// scripted tells what the type of a <script> makes of it.
func scripted(typ string, has bool, name string) (use builder.EntryUse, ok bool) {
	typ, _, _ = strings.Cut(strings.ToLower(strings.TrimSpace(typ)), ";")
	typ = strings.TrimSpace(typ)
	switch {
	case typ == "module":
		return builder.EntryModule, true
	case has && typ != "" && !strings.HasSuffix(typ, "/javascript") && !strings.HasSuffix(typ, "/ecmascript") && !strings.HasSuffix(typ, "/x-javascript"):
		return 0, false // an import map, data, a template
	case slices.Contains([]string{".ts", ".tsx", ".jsx", ".mts", ".cts"}, strings.ToLower(path.Ext(name))):
		return builder.EntryScript, true
	}
	return builder.EntryAsset, true
}

// attribute is one of a start tag, as it stands there.
type attribute struct {
	name, value string
	start, end  int // of the value with its quotes; both 0 if there is none
}

type attributes []attribute

func (as attributes) get(name string) (attribute, bool) {
	for _, a := range as {
		if a.name == name {
			return a, true
		}
	}
	return attribute{}, false
}

func (as attributes) value(name string) string {
	a, _ := as.get(name)
	return a.value
}

// readPage finds the refs of a page, and its <base>.
func readPage(name string, src []byte) (p *page, base string) {
	p = &page{name: name, src: src, head: -1}
	z := html.NewTokenizer(bytes.NewReader(src))
	offset := 0
	within := "" // the raw text element whose text comes next
	var module ref
	for {
		kind := z.Next()
		if kind == html.ErrorToken {
			slices.SortFunc(p.refs, func(a, b ref) int { return cmp.Compare(a.start, b.start) })
			return p, base
		}
		raw := src[offset : offset+len(z.Raw())]
		at := offset
		offset += len(raw)
		switch kind {
		case html.TextToken:
			switch within {
			case "style":
				p.addStyle(at, string(raw))
			case "module":
				if importing.Match(raw) {
					module.start, module.end = at, offset
					module.text = string(raw)
					p.refs = append(p.refs, module)
				}
			}
		case html.EndTagToken:
			within = ""
			if tag, _ := z.TagName(); string(tag) == "head" && p.head < 0 {
				p.head = at
			}
		case html.StartTagToken, html.SelfClosingTagToken:
			tag, as := startTag(z, raw, at)
			within = ""
			switch tag {
			case "base":
				if a, ok := as.get("href"); ok && base == "" {
					base = a.value
				}
			case "body":
				if p.head < 0 {
					p.head = at
				}
			case "style":
				within = "style"
			case "script":
				if _, has := as.get("src"); !has && strings.EqualFold(strings.TrimSpace(as.value("type")), "module") {
					within = "module"
					module = ref{tag: tag, inline: true, module: true, at: offset - 1, attrs: shared(as)}
				}
			}
			p.addTag(tag, as)
		}
	}
}

// importing finds the scripts in a page that are of no use outside of a bundle.
var importing = regexp.MustCompile(`\bimport\b`)

// startTag returns the name and the attributes of the start tag raw, which the tokenizer is at.
func startTag(z *html.Tokenizer, raw []byte, at int) (string, attributes) {
	places := valuePlaces(raw)
	name, more := z.TagName()
	tag := string(name)
	var as attributes
	for more {
		var key, value []byte
		key, value, more = z.TagAttr()
		as = append(as, attribute{name: string(key), value: string(value)})
	}
	if len(as) != len(places) {
		return tag, nil // not read as the tokenizer reads it: better left alone
	}
	for i, place := range places {
		if place[1] > 0 {
			as[i].start, as[i].end = at+place[0], at+place[1]
		}
	}
	return tag, as
}

// valuePlaces returns where the values of a start tag's attributes are, with their quotes.
//
// https://html.spec.whatwg.org/multipage/parsing.html#before-attribute-name-state
func valuePlaces(raw []byte) (places [][2]int) {
	space := func(c byte) bool { return c == ' ' || c == '\n' || c == '\r' || c == '\t' || c == '\f' }
	i := 1
	for i < len(raw) && !space(raw[i]) && raw[i] != '/' && raw[i] != '>' {
		i++
	}
	for {
		for i < len(raw) && (space(raw[i]) || raw[i] == '/') {
			i++
		}
		if i >= len(raw) || raw[i] == '>' {
			return places
		}
		name := i
		for i < len(raw) && (i == name || raw[i] != '=') && !space(raw[i]) && raw[i] != '/' && raw[i] != '>' {
			i++
		}
		end := i
		for i < len(raw) && space(raw[i]) {
			i++
		}
		if i >= len(raw) || raw[i] != '=' {
			i = end
			places = append(places, [2]int{})
			continue
		}
		for i++; i < len(raw) && space(raw[i]); i++ {
		}
		start := i
		switch {
		case i >= len(raw) || raw[i] == '>':
			places = append(places, [2]int{})
			continue
		case raw[i] == '"' || raw[i] == '\'':
			n := bytes.IndexByte(raw[i+1:], raw[i])
			if n < 0 {
				return places
			}
			i += n + 2
		default:
			for i < len(raw) && !space(raw[i]) && raw[i] != '>' {
				i++
			}
		}
		places = append(places, [2]int{start, i})
	}
}

// addTag notes what the attributes of an element name.
func (p *page) addTag(tag string, as attributes) {
	whole := func(name string, use builder.EntryUse, must bool) *ref {
		a, ok := as.get(name)
		if !ok || a.end == 0 {
			return nil
		}
		p.refs = append(p.refs, ref{tag: tag, start: a.start, end: a.end, attribute: true, text: a.value, links: []link{{start: 0, end: len(a.value), use: use, must: must}}})
		return &p.refs[len(p.refs)-1]
	}
	set := func(name string) {
		if a, ok := as.get(name); ok && a.end > 0 {
			p.refs = append(p.refs, ref{tag: tag, start: a.start, end: a.end, attribute: true, text: a.value, links: candidates(a.value)})
		}
	}
	switch tag {
	case "script":
		typ, has := as.get("type")
		use, ok := scripted(typ.value, has, clipURL(as.value("src")))
		if !ok {
			break
		}
		if r := whole("src", use, use == builder.EntryModule); r != nil && use != builder.EntryAsset {
			r.module, r.attrs = true, shared(as)
		}
	case "link":
		if use, must, ok := linked(as.value("rel"), as.value("as")); ok {
			whole("href", use, must)
			set("imagesrcset")
		}
	case "meta":
		for _, name := range []string{"property", "name", "itemprop"} {
			if slices.Contains(metas, strings.ToLower(as.value(name))) {
				whole("content", builder.EntryAsset, false)
				break
			}
		}
	case "img", "source":
		set("srcset")
	}
	for _, name := range uses[tag] {
		whole(name, builder.EntryAsset, false)
	}
	if a, ok := as.get("style"); ok && a.end > 0 {
		if links := styleLinks(a.value); len(links) > 0 {
			p.refs = append(p.refs, ref{tag: tag, start: a.start, end: a.end, attribute: true, text: a.value, links: links})
		}
	}
}

// shared are the attributes of a script that what it needs must have too.
func shared(as attributes) string {
	out := ""
	for _, name := range []string{"crossorigin", "nonce", "referrerpolicy"} {
		if a, ok := as.get(name); ok {
			out += " " + name
			if a.value != "" {
				out += `="` + html.EscapeString(a.value) + `"`
			}
		}
	}
	return out
}

// addStyle notes what a style sheet in the page names.
func (p *page) addStyle(at int, text string) {
	if links := styleLinks(text); len(links) > 0 {
		p.refs = append(p.refs, ref{tag: "style", start: at, end: at + len(text), text: text, links: links})
	}
}

var styleLink = regexp.MustCompile(`(?i)(@import\s+)?(?:url\(\s*(?:"([^"\\\n]*)"|'([^'\\\n]*)'|([^\s"'()\\]+))\s*\)|"([^"\\\n]*)"|'([^'\\\n]*)')`)

// styleLinks finds what CSS names by url() and @import.
func styleLinks(text string) (links []link) {
	for _, m := range styleLink.FindAllStringSubmatchIndex(text, -1) {
		imported := m[2] >= 0
		for g := 2; g <= 6; g++ {
			if m[2*g] < 0 || g > 4 && !imported { // a string that is no URL
				continue
			}
			l := link{start: m[2*g], end: m[2*g+1], use: builder.EntryAsset}
			if imported {
				l.use, l.must = builder.EntryStyle, true
			}
			links = append(links, l)
		}
	}
	return links
}

// candidates finds the URLs in a srcset.
//
// https://html.spec.whatwg.org/multipage/images.html#parse-a-srcset-attribute
func candidates(text string) (links []link) {
	const space = " \t\n\f\r"
	for i := 0; ; {
		for i < len(text) && strings.IndexByte(space+",", text[i]) >= 0 {
			i++
		}
		if i >= len(text) {
			return links
		}
		start := i
		for i < len(text) && strings.IndexByte(space, text[i]) < 0 {
			i++
		}
		end := start + len(strings.TrimRight(text[start:i], ","))
		links = append(links, link{start: start, end: end, use: builder.EntryAsset})
		if end < i {
			continue // a comma: no descriptor
		}
		for depth := 0; i < len(text) && (depth > 0 || text[i] != ','); i++ {
			switch text[i] {
			case '(':
				depth++
			case ')':
				depth--
			}
		}
	}
}

// clipURL is a URL without its query and its fragment.
func clipURL(u string) string {
	if i := strings.IndexAny(u, "?#"); i >= 0 {
		return u[:i]
	}
	return u
}

// rewrite returns the page with what its files became.
func (s *site) rewrite(p *page, release *builder.Release, m Manifest) []byte {
	var out bytes.Buffer
	done := 0
	replace := func(start, end int, text string) {
		out.Write(p.src[done:start])
		out.WriteString(text)
		done = end
	}
	head, at := s.headTags(p, release, m)
	for _, r := range p.refs {
		if head != "" && at <= r.start {
			replace(at, at, head)
			head = ""
		}
		if r.inline {
			u := s.url(release.Made[r.links[0].entry])
			replace(r.at, r.at, ` src="`+html.EscapeString(u)+`"`)
			replace(r.start, r.end, "")
			continue
		}
		// Where the text stands as it is read, without character references, only the URLs are written over.
		text, plain, last, written := "", "", 0, false
		for _, l := range r.links {
			if l.name == "" {
				continue
			}
			u := s.url(l.name)
			if !l.public {
				u = s.url(release.Made[l.entry])
			}
			u += l.fragment
			text += r.text[last:l.start] + u
			plain += r.text[last:l.start] + html.EscapeString(u)
			last, written = l.end, true
		}
		if !written {
			continue
		}
		text += r.text[last:]
		plain += r.text[last:]
		raw := string(p.src[r.start:r.end])
		switch quoted := raw[0] == '"' || raw[0] == '\''; {
		case !r.attribute:
			replace(r.start, r.end, text)
		case quoted && raw == raw[:1]+r.text+raw[:1]:
			replace(r.start, r.end, raw[:1]+plain+raw[:1])
		case !quoted && raw == r.text:
			replace(r.start, r.end, plain)
		default:
			replace(r.start, r.end, `"`+html.EscapeString(text)+`"`)
		}
	}
	if head != "" {
		replace(at, at, head)
	}
	out.Write(p.src[done:])
	return out.Bytes()
}

// url is where a page finds a file of the output, fit for url() without quotes.
func (s *site) url(name string) string {
	return strings.NewReplacer("'", "%27", "(", "%28", ")", "%29").Replace((&url.URL{Path: s.base + name}).EscapedPath())
}

// headTags are the tags for what the scripts of a page need: style sheets in the order of the scripts, and the scripts that
// they import, which the browser then need not find one by one. They stand at the end of the head, where the style sheets come
// after the page's own as they do in development; without a head, before the first script.
func (s *site) headTags(p *page, release *builder.Release, m Manifest) (tags string, at int) {
	at = p.head
	var keys, attrs []string
	first := 0 // where the first of these scripts is
	for _, r := range p.refs {
		if r.module && len(r.links) > 0 && r.links[0].name != "" && !r.links[0].public {
			if len(keys) == 0 {
				first = r.start
			}
			keys = append(keys, m.key(release.Made[r.links[0].entry]))
			attrs = append(attrs, r.attrs)
		}
	}
	styles, scripts := s.needs(m, keys, attrs)
	all := append(styles, scripts...)
	if len(all) == 0 {
		return "", 0
	}
	if at < 0 {
		at = bytes.LastIndexByte(p.src[:first], '<')
	}
	line := p.src[bytes.LastIndexByte(p.src[:at], '\n')+1 : at]
	if len(bytes.TrimLeft(line, " \t")) > 0 {
		return strings.Join(all, ""), at
	}
	indent, deeper := "\n"+string(line), ""
	if p.head >= 0 {
		deeper = "  "
	}
	return deeper + strings.Join(all, indent+deeper) + indent, at
}

// needs returns the tags for what scripts need beside themselves, by their keys in the manifest; attrs are for each.
func (s *site) needs(m Manifest, keys, attrs []string) (styles, scripts []string) {
	loaded := map[string]bool{}
	for _, k := range keys {
		loaded[m[k].File] = true
	}
	for i, key := range keys {
		for _, k := range append(m.Closure(key), key) {
			for _, f := range m[k].CSS {
				if !loaded[f] {
					loaded[f] = true
					styles = append(styles, s.link("stylesheet", attrs[i], f))
				}
			}
			if f := m[k].File; !loaded[f] {
				loaded[f] = true
				scripts = append(scripts, s.link("modulepreload", attrs[i], f))
			}
		}
	}
	return styles, scripts
}

func (s *site) link(rel, attrs, file string) string {
	return `<link rel="` + rel + `"` + attrs + ` href="` + html.EscapeString(s.url(file)) + `">`
}

// key is under which a file of the output stands in the manifest.
func (m Manifest) key(file string) string {
	for k, c := range m {
		if c.File == file {
			return k
		}
	}
	return ""
}
