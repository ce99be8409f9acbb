(() => { "use strict"; const __devserve_config = {token: "__DEVSERVE_TOKEN__", base: "__DEVSERVE_BASE__"};
function e(){return globalThis.__devserve??(globalThis.__devserve={build:0,failed:[],has:()=>!1,update:async()=>null})}e();
})();
