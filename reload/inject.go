package reload

import (
	"bufio"
	"bytes"
	"io"
	"maps"
	"mime"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/net/html"
)

// Injection adds one script element to what a handler answers while it answers it.
// The body is read by tokens, up to the place where the script belongs and no further:
//
//   - right after <head>, or after the <meta charset> that begins the head, as
//     browsers look for that in the first 1024 bytes only; always before a <base>;
//   - where there is no <head>, before the first content: what is neither doctype,
//     <html>, comment nor space. The parser opens a head there.
//
// No text of a script, template or comment can be mistaken for a tag, as the reading
// ends before any of them. What has been read before that place is passed on as it
// comes; only an unfinished token is held, and the header as long as nothing was
// flushed, so that a Content-Length can be corrected. The rest of the body passes
// through untouched, and the pages of a whole site, some of them videos and other
// files, do so from the first byte: they keep sendfile.
//
// A page that the browser has kept must not come back with an old data-id, as it
// would be told to reload by events that it has seen. So the entity tag names
// the event too, and there is no Last-Modified.

// Inject wraps next so that every complete HTML document it answers loads the client.
// What a browser asks for in order to show it is a document; where the request
// does not say (curl, or plain http to an address that is not this machine), what begins as
// one. Answers to scripts of the page, fragments, other types, encoded bodies and
// UTF-16 are left alone. The response header Devserve-Page, by which a handler names the
// file it answers with, becomes data-page and is removed.
func (h *Hub) Inject(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		in := &injector{ResponseWriter: w, hub: h, id: h.ID(), url: r.URL.Path, wants: whatIsWanted(r), head: r.Method == http.MethodHead}
		next.ServeHTTP(in, in.request(r))
		in.finish() // not after a panic: half a page is not completed
	})
}

// wants says which HTML gets the client.
type wants int

const (
	wantsData     wants = iota // none: a script of the page asked
	wantsAnything              // what begins as a document
	wantsDocument              // all: a browser will show it
)

func whatIsWanted(r *http.Request) wants {
	for _, fragment := range []string{"Hx-Request", "Turbo-Frame", "X-Requested-With", "Datastar-Request"} {
		if r.Header.Get(fragment) != "" {
			return wantsData
		}
	}
	switch r.Header.Get("Sec-Fetch-Dest") {
	case "document", "iframe", "frame":
		return wantsDocument
	case "":
		return wantsAnything
	}
	return wantsData
}

// An injector is the ResponseWriter of one answer.
type injector struct {
	http.ResponseWriter
	hub   *Hub
	id    string // newest event when the request came
	url   string
	wants wants
	head  bool // the request's method is HEAD
	known bool // the request named our entity tag of this very event

	state  state
	code   int         // given to WriteHeader
	header http.Header // as it was then, and to be sent; nil once it was
	given  http.Header // as it was then
	page   string      // from Devserve-Page
	buf    []byte      // of the body, not yet passed on
	scan   scanner
}

type state int

const (
	begin    state = iota // WriteHeader has not been called
	sniff                 // HTML or not: buf will tell
	scanning              // looking for the place
	pass                  // nothing left to do
)

// request returns r as next shall see it: one whose answer can be read and is no
// answer to a page from before the newest event.
func (in *injector) request(r *http.Request) *http.Request {
	if in.wants == wantsData {
		return r
	}
	out := new(http.Request)
	*out = *r
	out.Header = r.Header.Clone()
	tags := strings.Join(r.Header["If-None-Match"], ", ")
	if mark := in.mark(); strings.Contains(tags, mark) {
		in.known = true
		out.Header.Set("If-None-Match", strings.ReplaceAll(tags, mark, `"`))
	}
	if in.wants == wantsDocument {
		if !in.known {
			out.Header.Del("If-None-Match") // of a copy without the client, or with an old one
		}
		out.Header.Del("If-Modified-Since")
		out.Header.Del("Range")
		out.Header.Del("If-Range")
	}
	if in.wants == wantsDocument || strings.Contains(r.Header.Get("Accept"), "text/html") {
		out.Header.Del("Accept-Encoding")
	}
	return out
}

// mark ends the entity tag of a page with the client in it.
func (in *injector) mark() string { return "+" + in.id + `"` }

// Unwrap is for [http.ResponseController].
func (in *injector) Unwrap() http.ResponseWriter { return in.ResponseWriter }

// Hijack hands the connection over.
func (in *injector) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(in.ResponseWriter).Hijack()
	if err == nil {
		in.state, in.buf = pass, nil
	}
	return conn, rw, err
}

// WriteHeader decides from the header what happens to the body.
func (in *injector) WriteHeader(code int) {
	informational := code >= 100 && code < 200 && code != http.StatusSwitchingProtocols
	if informational || in.state != begin {
		if in.header == nil { // else it is one too many, and the server has not even seen the first
			in.ResponseWriter.WriteHeader(code)
		}
		return
	}
	header := in.Header()
	in.page = header.Get("Devserve-Page")
	header.Del("Devserve-Page")
	in.code = code
	types, typed := header["Content-Type"]
	switch {
	case code == http.StatusNotModified && in.known:
		in.markTag(header)
		in.giveUp("")
	case code < 200 || code == http.StatusNoContent || code == http.StatusPartialContent || code >= 300 && code < 400:
		in.giveUp("") // no page, or none that is shown
	case !typed && in.wants != wantsData && header.Get("Content-Encoding") == "":
		in.state = sniff
		in.hold()
	case isHTML(types):
		in.hold()
		in.begin()
	default:
		in.giveUp("")
	}
}

// begin looks for the place, in what is HTML.
func (in *injector) begin() {
	if !slices.Contains(in.header.Values("Vary"), "Sec-Fetch-Dest") {
		in.header.Add("Vary", "Sec-Fetch-Dest") // a script's copy is not the page's
	}
	_, params, _ := mime.ParseMediaType(in.header.Get("Content-Type"))
	switch encoding := in.header.Get("Content-Encoding"); {
	case in.wants == wantsData:
		in.giveUp("")
	case encoding != "" && encoding != "identity":
		in.giveUp("the body is encoded: " + encoding)
	case slices.Contains(utf16Labels, strings.ToLower(params["charset"])):
		in.giveUp(reasonUTF16)
	default:
		in.state = scanning
		in.scan.fragments = in.wants == wantsDocument
	}
}

const reasonUTF16 = "the body is in UTF-16"

// utf16Labels are from https://encoding.spec.whatwg.org/#names-and-labels.
var utf16Labels = []string{"utf-16", "utf-16le", "utf-16be", "unicode", "unicodefeff", "unicodefffe", "csunicode", "ucs-2", "iso-10646-ucs-2"}

// giveUp lets everything through. Reason is for the log; "" where no one would ask.
func (in *injector) giveUp(reason string) {
	if reason != "" {
		in.hub.log.Debug("client not injected", "url", in.url, "reason", reason)
	}
	if in.header != nil {
		in.send()
	} else if in.state == begin {
		in.ResponseWriter.WriteHeader(in.code)
	}
	in.state = pass
}

// hold keeps the header as it is now, when WriteHeader is called.
func (in *injector) hold() {
	in.given = maps.Clone(in.Header())
	in.header = in.Header().Clone()
}

// send sends the header that was held, with what was done to it since by us. What the
// handler did to it since is for trailers, and comes back afterwards; middlewares around
// us that look at the header late see the one that was sent.
func (in *injector) send() {
	live := in.Header()
	late := http.Header{}
	for k, v := range live {
		if !slices.Equal(v, in.given[k]) {
			late[k] = v
		}
	}
	clear(live)
	maps.Copy(live, in.header)
	in.ResponseWriter.WriteHeader(in.code)
	maps.Copy(live, late)
	in.header, in.given = nil, nil
}

// amend makes the header that of a page with a script of length more bytes in it, or
// perhaps in it where more is negative.
func (in *injector) amend(more int) {
	for _, of := range []string{"Accept-Ranges", "Last-Modified", "Content-Md5", "Content-Digest", "Repr-Digest", "Digest"} {
		in.header.Del(of) // the entity that this describes is another
	}
	in.markTag(in.header)
	length, err := strconv.ParseInt(in.header.Get("Content-Length"), 10, 64)
	if err == nil && more >= 0 {
		in.header.Set("Content-Length", strconv.FormatInt(length+int64(more), 10))
	} else {
		in.header.Del("Content-Length")
	}
}

// markTag makes an entity tag that of the page with the client, which is the same
// entity in effect, not in bytes.
func (in *injector) markTag(header http.Header) {
	if tag, ok := strings.CutSuffix(header.Get("Etag"), `"`); ok {
		header.Set("Etag", "W/"+strings.TrimPrefix(tag, "W/")+in.mark())
	}
}

// Write passes b on, with the client where it belongs.
func (in *injector) Write(b []byte) (int, error) {
	if in.state == begin {
		in.WriteHeader(http.StatusOK)
	}
	if in.state == pass {
		return in.ResponseWriter.Write(b)
	}
	// b is the caller's: it is read in place, and only what is held is copied.
	if len(in.buf) == 0 {
		in.buf = b[:len(b):len(b)]
	} else {
		in.buf = append(in.buf, b...)
		if in.state == sniff && len(in.buf) < sniffLen || in.scan.unclosed && len(in.buf) < maxToken && bytes.IndexByte(b, '>') < 0 {
			return len(b), nil // nothing new can be said
		}
	}
	if in.state != sniff || len(in.buf) >= sniffLen {
		if err := in.advance(false); err != nil {
			return 0, err
		}
	}
	if len(in.buf) <= len(b) {
		in.buf = bytes.Clone(in.buf)
	}
	return len(b), nil
}

// WriteString spares the copy where the server does.
func (in *injector) WriteString(s string) (int, error) {
	if in.state == pass {
		return io.WriteString(in.ResponseWriter, s)
	}
	return in.Write([]byte(s))
}

// ReadFrom lets the server use sendfile for all that is not looked at.
func (in *injector) ReadFrom(src io.Reader) (n int64, err error) {
	if in.state == begin {
		if _, typed := in.Header()["Content-Type"]; typed {
			in.WriteHeader(http.StatusOK)
		}
	}
	for buf := []byte(nil); in.state != pass; {
		if buf == nil {
			buf = make([]byte, 4<<10)
		}
		got, err := src.Read(buf)
		if got > 0 {
			n += int64(got)
			if _, err := in.Write(buf[:got]); err != nil {
				return n, err
			}
		}
		if err == io.EOF {
			return n, nil
		}
		if err != nil {
			return n, err
		}
	}
	rest, err := io.Copy(in.ResponseWriter, src)
	return n + rest, err
}

// Flush is [http.Flusher]'s.
func (in *injector) Flush() { in.FlushError() }

// FlushError sends the header and all that has been written, but for an unfinished token
// before the client's place.
func (in *injector) FlushError() error {
	if in.state == begin {
		in.WriteHeader(http.StatusOK)
	}
	if in.state != pass {
		if err := in.advance(false); err != nil {
			return err
		}
	}
	if in.state != pass {
		if err := in.release(); err != nil {
			return err
		}
	}
	return http.NewResponseController(in.ResponseWriter).Flush()
}

// finish ends the body.
func (in *injector) finish() {
	if in.state == begin && isHTML(in.Header()["Content-Type"]) {
		in.WriteHeader(http.StatusOK) // an empty page
	}
	switch {
	case in.state == begin: // the server adds what is missing
		in.Header().Del("Devserve-Page")
	case in.state == pass:
	case in.head && len(in.buf) == 0 && in.state == scanning:
		in.amend(-1) // as GET would be answered, as far as can be told
		in.send()
	default:
		in.advance(true) // the server knows of a failed write
	}
}

// sniffLen is how much of a body [http.DetectContentType] looks at.
const sniffLen = 512

// maxToken is how long a token before the client's place may be, as it is held: longer
// than any licence text in a comment.
const maxToken = 64 << 10

// advance reads on in buf and passes on what need not be held. Last says that nothing follows.
func (in *injector) advance(last bool) error {
	if in.state == sniff {
		if len(in.buf) > 0 {
			// The server would look at the same bytes, or at fewer; it must not see ours.
			in.header.Set("Content-Type", http.DetectContentType(in.buf))
		}
		if isHTML(in.header["Content-Type"]) {
			in.begin()
		} else {
			in.giveUp("")
		}
	}
	tag, at := "", 0
	if in.state == scanning {
		var result result
		at, result = in.scan.next(in.buf, last)
		switch {
		case result == found:
			tag = in.tag()
			if in.header != nil {
				in.amend(len(tag))
				in.send()
			}
			in.state = pass
		case result == none:
			in.giveUp(in.scan.reason)
		case len(in.buf)-in.scan.safe() > maxToken:
			in.giveUp("no end of a token in sight")
		case in.header == nil || len(in.buf) > maxToken:
			return in.release()
		default:
			return nil
		}
	}
	if err := in.passOn(at); err != nil {
		return err
	}
	if tag != "" {
		if _, err := io.WriteString(in.ResponseWriter, tag); err != nil {
			return err
		}
	}
	return in.passOn(len(in.buf))
}

// release sends the header, though the place is not known, and all before it.
func (in *injector) release() error {
	if in.header != nil {
		in.amend(-1)
		in.send()
	}
	return in.passOn(in.scan.safe())
}

// passOn takes the first n bytes off buf and writes them.
func (in *injector) passOn(n int) error {
	if n == 0 {
		return nil
	}
	b := in.buf[:n]
	in.buf = in.buf[n:]
	in.scan.drop(n)
	_, err := in.ResponseWriter.Write(b)
	return err
}

// tag is the element, in ASCII, as the page may be in any encoding that contains it.
func (in *injector) tag() string {
	var b strings.Builder
	attr := func(name, value string) {
		if value == "" {
			return
		}
		b.WriteString(" " + name + `="`)
		for _, c := range value {
			if c < ' ' || c > '~' || strings.ContainsRune(`"&<>'`, c) {
				b.WriteString("&#" + strconv.Itoa(int(c)) + ";")
			} else {
				b.WriteRune(c)
			}
		}
		b.WriteByte('"')
	}
	b.WriteString("<script")
	attr("src", in.hub.o.Base+"_devserve/client.js")
	attr("data-id", in.id)
	attr("data-page", in.page)
	attr("nonce", nonce(in.Header()))
	b.WriteString("></script>")
	return b.String()
}

var nonceSource = regexp.MustCompile(`(?i)'nonce-([A-Za-z0-9+/_-]+={0,2})'`)

// nonce returns the nonce that the page's policy wants of a script, or "".
func nonce(header http.Header) string {
	for _, policy := range strings.Split(strings.Join(header["Content-Security-Policy"], ","), ",") {
		for _, name := range []string{"script-src-elem", "script-src", "default-src"} {
			for directive := range strings.SplitSeq(policy, ";") {
				key, sources, _ := strings.Cut(strings.TrimSpace(directive), " ")
				if !strings.EqualFold(key, name) {
					continue
				}
				if m := nonceSource.FindStringSubmatch(sources); m != nil {
					return m[1]
				}
			}
		}
	}
	return ""
}

func isHTML(types []string) bool {
	if len(types) == 0 {
		return false
	}
	t, _, _ := strings.Cut(types[0], ";")
	return strings.EqualFold(strings.TrimSpace(t), "text/html")
}

// A scanner finds the place for the client in a body that comes in pieces.
type scanner struct {
	fragments bool   // what does not begin as a document is wanted too
	reason    string // why there is no place

	pos      int  // up to here buf has been read
	at       int  // the place in buf, if anchored
	anchored bool // the place is known unless our script follows
	meta     bool // a <meta charset> was the anchor
	document bool // it began as a document
	started  bool // the byte order mark has been looked at
	unclosed bool // buf ends in a token that only a > can end
}

type result int

const (
	more  result = iota // the body so far does not tell
	found               // at is the place
	none                // nothing belongs in here
)

// safe returns how many bytes of buf come before the place, whatever follows.
func (s *scanner) safe() int {
	if s.anchored {
		return s.at
	}
	return s.pos
}

// drop says that the first n bytes have been taken off buf.
func (s *scanner) drop(n int) {
	s.pos = max(s.pos-n, 0)
	s.at = max(s.at-n, 0)
}

// next reads on in buf, which begins as it was left at the last call; last says
// that it ends here.
func (s *scanner) next(buf []byte, last bool) (at int, _ result) {
	if !s.started {
		if len(buf) < 3 && !last {
			return 0, more
		}
		s.started = true
		switch {
		case bytes.HasPrefix(buf, []byte("\xef\xbb\xbf")):
			s.pos = 3
		case bytes.HasPrefix(buf, []byte("\xfe\xff")), bytes.HasPrefix(buf, []byte("\xff\xfe")):
			return s.none(reasonUTF16)
		}
	}
	z := html.NewTokenizer(bytes.NewReader(buf[s.pos:]))
	for {
		kind := z.Next()
		raw := z.Raw()
		end := s.pos + len(raw)
		if kind == html.ErrorToken {
			break // the end, or an unfinished tag
		}
		s.unclosed = false
		if kind == html.TextToken {
			s.pos += len(raw) - len(bytes.TrimLeft(raw, " \t\n\f\r"))
			if s.pos == end {
				continue
			}
			if buf[s.pos] == '<' && end == len(buf) {
				break // perhaps a tag
			}
			return s.content(buf, "")
		}
		switch {
		case kind == html.CommentToken:
			if end == len(buf) {
				return s.unfinished(buf, last) // perhaps only cut off
			}
			s.pos = end
		case kind == html.DoctypeToken && !s.anchored:
			if raw[len(raw)-1] != '>' {
				return s.unfinished(buf, last)
			}
			s.document = true
			s.pos = end
		case kind == html.StartTagToken || kind == html.SelfClosingTagToken:
			token := z.Token()
			switch {
			case token.Data == "html" && !s.anchored:
				s.pos = end
			case token.Data == "head" && !s.anchored, isCharset(token) && !s.meta:
				s.meta = token.Data == "meta"
				s.pos, s.at, s.anchored = end, end, true
			case isClient(token):
				return s.none("the page loads it by itself")
			default:
				return s.content(buf, token.Data)
			}
			s.document = true
		default:
			return s.content(buf, "")
		}
	}
	return s.unfinished(buf, last)
}

// unfinished is reached where buf ends, perhaps within a token.
func (s *scanner) unfinished(buf []byte, last bool) (int, result) {
	if last {
		return s.content(buf, "")
	}
	s.unclosed = s.pos < len(buf)
	return 0, more
}

// content decides at pos, where content begins: an element with this tag, or "" for anything else.
func (s *scanner) content(buf []byte, tag string) (int, result) {
	if !s.anchored {
		s.at = s.pos
	}
	switch tag {
	case "body", "title", "meta", "link", "base":
		s.document = true
	}
	if !s.document && !s.fragments {
		return s.none("the body is no complete document")
	}
	if loadsClient(buf[s.pos:]) {
		return s.none("the page loads it by itself")
	}
	return s.at, found
}

func (s *scanner) none(reason string) (int, result) {
	s.reason = reason
	return 0, none
}

// isCharset reports whether t tells the encoding, as <meta charset> does.
func isCharset(t html.Token) bool {
	return t.Data == "meta" && slices.ContainsFunc(t.Attr, func(a html.Attribute) bool {
		return a.Key == "charset" || a.Key == "http-equiv" && strings.EqualFold(a.Val, "content-type")
	})
}

const clientPath = "_devserve/client.js"

// isClient reports whether t loads the client.
func isClient(t html.Token) bool {
	return t.Data == "script" && slices.ContainsFunc(t.Attr, func(a html.Attribute) bool {
		path, _, _ := strings.Cut(a.Val, "?")
		return a.Key == "src" && strings.HasSuffix(path, clientPath)
	})
}

// loadsClient looks for the client in what is at hand of the page. What comes
// later may have it too; the client then finds itself running and rests.
func loadsClient(rest []byte) bool {
	if !bytes.Contains(rest, []byte(clientPath)) {
		return false
	}
	z := html.NewTokenizer(bytes.NewReader(rest))
	for {
		switch z.Next() {
		case html.ErrorToken:
			return false
		case html.StartTagToken, html.SelfClosingTagToken:
			if isClient(z.Token()) {
				return true
			}
		}
	}
}
