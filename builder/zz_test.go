package builder
import ("testing";"context";"os")
func TestZZ(t *testing.T){ b,err:=New(Options{Dir:os.Getenv("ZZ")}); if err!=nil{t.Fatal(err)}
 o,err:=b.Script(context.Background(), os.Getenv("ZZM")); s:=string(o.Body); i:=len(s)-4000; if i<0{i=0}; println(err, s[i:], len(b.errors)); for _,d:=range b.errors{println(d.Text,d.File,d.Line)} }
