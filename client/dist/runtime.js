(() => { "use strict";
function e(){return globalThis.__devserve??(globalThis.__devserve={build:0,failed:[],has:()=>!1,update:async()=>null})}e();
})();
