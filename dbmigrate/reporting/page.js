const $=i=>document.getElementById(i),q=$('q'),ego=$('ego'),M=new Map(JSON.parse($('m').textContent)),N='http://www.w3.org/2000/svg',U=6.65;
document.documentElement.className='js';
const short=t=>t.startsWith('public.')?t.slice(7):t,cut=(s,n)=>[...s].length>n?[...s].slice(0,n-1).join('')+'…':s,cells=s=>[...s].reduce((n,c)=>n+(c>'\u10ff'&&c!='…'&&c!='→'&&c!='−'?2:1),0),kind=s=>({'+':' add','−':' del','~':' chg'})[s]||'';
const el=(p,n,a,t)=>{const e=document.createElementNS(N,n);for(const k in a)e.setAttribute(k,a[k]);if(t!=null)e.textContent=t;p.append(e);return e};
function show(t){const v=M.get(t);if(!v)return;
const up=[...new Set(v.f.map(f=>f[0]))].filter(x=>x!=t),down=[...M.keys()].filter(o=>o!=t&&M.get(o).f.some(f=>f[0]==t));
const W=n=>Math.max(8,...n.map(x=>cells(cut(short(x),40))))*U+24,rows=v.c.map(r=>[cut(r[0],40)+(r[2]?' '+r[2]:''),cut(r[1],40),r[3]]),mw=Math.max(120,(cells(cut(short(t),60))+4)*U,...rows.map(r=>(cells(r[0])+cells(r[1])+6)*U));
const cols=Math.ceil(down.length/24),uw=up.length?W(up):0,dw=down.length?W(down):0,h=Math.max(30+rows.length*17,up.length*30,Math.min(down.length,24)*30),x0=up.length?uw+90:0,x1=x0+mw+90,w=(down.length?x1+cols*(dw+14):x0+mw)+12;
ego.textContent='';const s=el(ego,'svg',{viewBox:`-6 -6 ${w} ${h+12}`,width:w,height:h+12,role:'group','aria-label':short(t)+' and the tables next to it'});
const small=(o,x,y,wide)=>{const g=el(s,'g',{class:'t'+kind(M.get(o)?.s),transform:`translate(${x} ${y})`,tabindex:0,role:'button','aria-label':short(o)});el(g,'rect',{class:'b',width:wide,height:22,rx:4});el(g,'text',{class:'n',x:8,y:15},cut(short(o),40));g.onclick=()=>pick(o);g.onkeydown=k=>{if(k.key=='Enter'||k.key==' '){k.preventDefault();pick(o)}}};
up.forEach((o,i)=>{for(const f of v.f)if(f[0]==o){const r=v.c.findIndex(c=>c[0]==f[1]),y=r<0?12:32+r*17;el(s,'path',{class:'e',d:`M${uw} ${i*30+11}C${uw+45} ${i*30+11} ${x0-45} ${y} ${x0} ${y}`})}small(o,0,i*30,uw)});
down.forEach((o,i)=>{const c=Math.floor(i/24),y=i%24*30,x=x1+c*(dw+14);if(!c)el(s,'path',{class:'e',d:`M${x0+mw} 11C${x0+mw+45} 11 ${x-45} ${y+11} ${x} ${y+11}`});small(o,x,y,dw)});
const g=el(s,'g',{class:'t'+kind(v.s),transform:`translate(${x0} 0)`});el(g,'rect',{class:'b',width:mw,height:28+rows.length*17,rx:4});el(g,'rect',{class:'h',width:mw,height:22,rx:4});el(g,'text',{class:'n',x:8,y:15},(v.s?v.s+' ':'')+cut(short(t),60));
rows.forEach((r,i)=>{const y=24+i*17,w=el(g,'g',{class:'w'+kind(r[2])});if(r[2])el(w,'rect',{class:'r',x:1,y,width:mw-2,height:17});el(w,'text',{class:'c',x:8,y:y+12},(r[2]?r[2]+' ':'')+r[0]);el(w,'text',{class:'y',x:mw-8,y:y+12},r[1])});
q.value=short(t);history.replaceState(null,'','#t='+encodeURIComponent(t))}
function pick(t){show(t);q.scrollIntoView({block:'start'});q.focus({preventScroll:true})}
const named=s=>[...M.keys()].find(t=>short(t)==s||t==s);
q.oninput=()=>{const t=named(q.value);if(t)show(t)};
q.onkeydown=k=>{if(k.key!='Enter')return;const t=named(q.value)||[...M.keys()].find(x=>x.toLowerCase().includes(q.value.toLowerCase()));if(q.value&&t)show(t)};
document.addEventListener('click',e=>{const g=e.target.closest('.t[data-t]');if(g)pick(g.dataset.t)});
document.addEventListener('mouseover',e=>{const g=e.target.closest('.t[data-t]'),s=e.target.closest('svg');if(s)for(const p of s.querySelectorAll('.e'))p.classList.toggle('on',!!g&&(p.dataset.a==g.dataset.t||p.dataset.b==g.dataset.t))});
const hash=()=>{if(location.hash.startsWith('#t='))show(decodeURIComponent(location.hash.slice(3)))};window.addEventListener('hashchange',hash);hash();
