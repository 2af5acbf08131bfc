import { test } from 'node:test';
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { ApiHub } from '#test/helpers/api-hub.js';
test('smoke', async (t) => {
  const hub = await ApiHub.start(t);
  const kc = await hub.kubeconfig();
  const run = promisify(execFile);
  console.log((await hub.send('POST', '/api/v1/namespaces/default/serviceaccounts', {metadata:{name:'default'}})).status);
  for (const v of ['1.31','1.33']) for (const args of [['create','ns','x'+v.replace('.','')], ['create','deploy','a','--image=b','--replicas=0', '--port=80'],['get','deploy','a','-o','json'],['create','secret','generic','s'+v,'--from-literal=a=b'],['create','role','r'+v,'--verb=get,list','--resource=pods,deployments.apps'],['get','role','r'+v,'-o','json'],['create','token','default'],['auth','whoami'],['auth','can-i','get','pods','--as=joe'],['auth','can-i','--list','--as=joe'],['create','sa','s'+v],['scale','deploy/a','--replicas=3'],['rollout','restart','deploy/a'],['run','x','--image=y'],['delete','pod','x','--now'],['delete','deploy','a'],['apply','-f','/tmp/covey/api-bad.yaml']]) {
    try { const r = await run('/usr/lib/google-cloud-sdk/bin/kubectl.'+v, args, {env:{...process.env, KUBECONFIG:kc, HOME: hub.directory}, timeout: 10000}); console.log(v, args.join(' '), '\n', r.stdout.slice(0,1700), r.stderr); }
    catch (e: any) { console.log(v, args.join(' '), 'FAILED', e.stdout, e.stderr.slice(-1500)); }
  }
});
