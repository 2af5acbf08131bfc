import { test } from 'node:test';
import { execFileSync, execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { ApiHub } from '#test/helpers/api-hub.js';
test('smoke', async (t) => {
  const hub = await ApiHub.start(t);
  for (const p of ['/version','/livez?verbose','/api','/apis','/api/v1/namespaces','/api/v1/pods','/nope','/api/v1/nope']) {
    const a = await hub.send('GET', p);
    console.log(p, a.status, a.text.slice(0, 200));
  }
  const kc = await hub.kubeconfig();
  const run = promisify(execFile);
  for (const v of ['1.27','1.33']) for (const args of [['version'],['api-resources'],['get','ns'],['get','pods','-A'],['auth','whoami'],['auth','can-i','--list'],['create','ns','x'+v.replace('.','')], ['create','configmap','a','--from-literal=a=b'],['get','cm','a','-o','yaml'],['label','cm','a','x=y'],['delete','cm','a'], ['get','pods','nope']]) {
    try { const r = await run('/usr/lib/google-cloud-sdk/bin/kubectl.'+v, args, {env:{...process.env, KUBECONFIG:kc, HOME: hub.directory}, timeout: 10000}); console.log(v, args.join(' '), '\n', r.stdout.slice(0,700), r.stderr); }
    catch (e: any) { console.log(v, args.join(' '), 'FAILED', e.stdout, e.stderr); }
  }
});
