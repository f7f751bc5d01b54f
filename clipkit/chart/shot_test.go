package chart
import ("testing";"math";"math/rand";"os";"image";"image/png";"image/color";"bytes";"fmt"
"clipnb/clipkit/experiment";"clipnb/clipkit/internal/browser")
func TestShot(t *testing.T){
 var rows []experiment.Row
 r:=rand.New(rand.NewSource(1))
 for i:=1;i<=600;i++{ rows=append(rows,experiment.Row{Kind:"train",Step:i*10,Loss:0.6+3*math.Exp(-float64(i)/150)+0.25*r.NormFloat64()*math.Exp(-float64(i)/400),LR:5e-5*math.Min(1,float64(i)/60)*(0.5+0.5*math.Cos(float64(i)/600*math.Pi)),ImageToTextAcc:80*(1-math.Exp(-float64(i)/150))+4*r.NormFloat64(),TextToImageAcc:75*(1-math.Exp(-float64(i)/170))+4*r.NormFloat64(),ImagesPerSecond:180+6*r.NormFloat64(),PeakShare:0.61+0.02*r.NormFloat64()})
  if i%100==0 { rows=append(rows,experiment.Row{Kind:"valid",Step:i*10,Loss:0.8+3*math.Exp(-float64(i)/150),ImageToTextAcc:70*(1-math.Exp(-float64(i)/150)),TextToImageAcc:66*(1-math.Exp(-float64(i)/150))})}
 }
 rows[50].Loss=math.NaN()
 var pics []Picture
 yes,no:=true,false
 for i:=0;i<8;i++{ m:=image.NewRGBA(image.Rect(0,0,64,48)); for x:=0;x<64;x++{for y:=0;y<48;y++{m.Set(x,y,color.RGBA{uint8(x*4),uint8(y*5),uint8(i*30),255})}}; var b bytes.Buffer; png.Encode(&b,m); p:=Picture{Encoded:b.Bytes(),Caption:fmt.Sprintf("一只可爱的猫坐在红色的沙发上 %d",i),Score:0.3+float64(i)/100}; if i<2 {p.Right=&yes} else if i<4 {p.Right=&no}; pics=append(pics,p)}
 pics[7].Encoded=[]byte("<svg xmlns='http://www.w3.org/2000/svg'/>")
 page,err:=Page("finetune · 表情", Loss(rows),LearningRate(rows),Accuracy(rows),Throughput(rows),
  RecallBars(Named{"微调前 before",experiment.Recall{R1:10.9,R5:26.2,R10:37.7},experiment.Recall{R1:9,R5:15.8,R10:21.4}},Named{"微调后 finetuned",experiment.Recall{R1:20.6,R5:46.5,R10:56.9},experiment.Recall{R1:19.4,R5:31.6,R10:44.4}}),
  Grid("红色的沙发",pics),Table([]string{"Setting 设置","R@1","R@5"},[][]string{{"zero-shot","10.9","26.2"},{"finetuned","20.6","46.5%"}}),Loss(nil))
 if err!=nil{t.Fatal(err)}
 os.WriteFile("/tmp/shot.html",[]byte(page),0o644)
 v:=browser.Open(t,page); t.Log(v.Console,v.Requests,len(page))
 for _,l:=range []*Chart{Loss(rows),LearningRate(rows),Accuracy(rows),Throughput(rows)} { t.Log(len(l.HTML()),len(l.option),len(l.static[0])) }
 browser.Screenshot(t,page,"/tmp/light.png",browser.Look{1000,2800,false})
 browser.Screenshot(t,page,"/tmp/dark.png",browser.Look{1000,2800,true})
 tip:=`<script>alert=function(){document.documentElement.setAttribute("data-fired","yes")};document.querySelectorAll("svg").forEach(function(s){var c=echarts.getInstanceByDom(s.parentNode.parentNode)||echarts.getInstanceByDom(s.parentNode);if(c)c.dispatchAction({type:"showTip",x:400,y:150})})</script>`
 browser.Screenshot(t,page+tip,"/tmp/tip.png",browser.Look{1000,2000,true})
 browser.Screenshot(t,page+tip,"/tmp/tipl.png",browser.Look{700,2000,false})
 i:=bytes.LastIndex([]byte(page),[]byte("<script>(function(){if(globalThis.echarts"))
 browser.Screenshot(t,page[:i],"/tmp/static.png",browser.Look{1000,2800,true})
}
