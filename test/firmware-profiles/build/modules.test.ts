/** Load order of kernel modules, and what of the index is understood. */
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { loadOrder, moduleName, parseBuiltIn, parseModulesDep } from '#firmware-profiles/build/modules.js';

const DEP = `kernel/fs/ext4/ext4.ko: kernel/lib/crc16.ko kernel/fs/mbcache.ko kernel/fs/jbd2/jbd2.ko
kernel/fs/jbd2/jbd2.ko:
kernel/fs/mbcache.ko:
kernel/lib/crc16.ko:
kernel/drivers/mmc/host/sdhci-iproc.ko: kernel/drivers/mmc/host/sdhci-pltfm.ko kernel/drivers/mmc/host/sdhci.ko
kernel/drivers/mmc/host/sdhci-pltfm.ko: kernel/drivers/mmc/host/sdhci.ko
kernel/drivers/mmc/host/sdhci.ko:
`;

test('modules come after what they need, each once', () => {
  const order = loadOrder(parseModulesDep(DEP), ['sdhci_iproc', 'ext4', 'sdhci'], new Set());
  assert.deepEqual(order.map(moduleName), [
    'sdhci',
    'sdhci_pltfm',
    'sdhci_iproc',
    'crc16',
    'mbcache',
    'jbd2',
    'ext4',
  ]);
});

test('a driver that is built in is left out; one that is nowhere is an error that names it', () => {
  const graph = parseModulesDep(DEP);
  const builtIn = parseBuiltIn('kernel/drivers/mmc/core/mmc_core.ko\nkernel/drivers/mmc/core/mmc-block.ko\n');
  assert.deepEqual(loadOrder(graph, ['mmc_block'], builtIn), []);
  assert.throws(() => loadOrder(graph, ['virtio_blk'], builtIn), /no module virtio_blk/);
});

test('names are told from paths with any compression and either separator', () => {
  assert.equal(moduleName('kernel/drivers/usb/host/xhci-pci.ko.xz'), 'xhci_pci');
});

test('in any graph without cycles each module comes once, and after all that it needs', () => {
  const graphs = fc
    .array(fc.array(fc.nat({ max: 30 }), { maxLength: 5 }), { minLength: 1, maxLength: 30 })
    .map((rows) => rows.map((row, index) => row.filter((other) => other < index)));
  fc.assert(
    fc.property(graphs, fc.nat(), (rows, start) => {
      const text = rows
        .map((row, index) => `k/m${index}.ko: ${row.map((other) => `k/m${other}.ko`).join(' ')}\n`)
        .join('');
      const graph = parseModulesDep(text);
      const order = loadOrder(graph, [`m${start % rows.length}`], new Set());
      assert.equal(new Set(order).size, order.length);
      for (const [at, path] of order.entries())
        for (const needed of graph.get(path) ?? [])
          assert.ok(order.indexOf(needed) < at && order.includes(needed));
    }),
  );
});
