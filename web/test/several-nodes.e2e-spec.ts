import type { Browser } from 'playwright-core';
import { ClusterStage, type ClusterServer } from '../../test/support/cluster-stage.js';
import { Fleet } from '../../test/support/fleet.js';
import { onFreePort } from '../../test/support/free-port.js';
import { describeIf } from '../../test/support/needs.js';
import { ENGINES } from '../../test/support/redis-server.js';
import { call } from '../../test/support/rest.js';
import { until } from '../../test/support/until.js';
import { describeInBrowser, launchBrowser } from './support/browser.js';
import { Chat } from './support/chat.js';

const engine = ENGINES.find(({ program }) => program !== undefined);

describeInBrowser('the chat page before several nodes', () => {
  describeIf(engine !== undefined, 'the page before several nodes: there is no Redis')('', () => {
    let browser: Browser;
    let stage: ClusterStage;
    let fleet: Fleet;
    let chat: Chat;

    beforeAll(async () => {
      browser = await launchBrowser();
      stage = await ClusterStage.open(engine?.program ?? '');
      fleet = await onFreePort((port) => {
        const PUBLIC_SOCKET_URL = `http://127.0.0.1:${port}`;
        const env = { PUBLIC_SOCKET_URL, SOCKET_TRANSPORTS: 'websocket' };
        return Fleet.start(stage, 2, env, port);
      });
      chat = await Chat.open(browser, fleet.well[0]!.url);
    });
    beforeEach(() => chat.begin());
    afterAll(async () => {
      await browser?.close();
      await fleet?.close();
      await stage?.close();
    });

    /** The node that makes the one answer that runs. */
    const owner = async (): Promise<ClusterServer> => {
      for (const node of fleet.well) {
        const { body } = await call('GET', `${node.url}/llm/cluster`);
        if (body.owned === 1) return node;
      }
      throw new Error('nobody owns it');
    };

    it('reads on at another node where its connection is lost in mid-answer', async () => {
      await chat.ask('Tell me.');
      const request = await stage.upstream.nextCall();
      request.text('Once upon a time ');
      await chat.sees('Once upon a time');
      // Its node goes on, and takes no new connection.
      const node = await owner();
      fleet.leave(node);
      fleet.cut();
      request.text('there was ');
      await chat.sees('Once upon a time there was');
      request.text('a king.').done();
      await chat.answered();
      expect(await chat.answers.innerText()).toContain('Once upon a time there was a king.');
      expect(stage.upstream.calls).toHaveLength(1);
      expect(chat.offences).toEqual([]);
      fleet.comeBack(node);
    });

    it('shows what was kept where the node is killed, and asks again at another one', async () => {
      await chat.ask('Tell me.');
      const request = await stage.upstream.nextCall();
      request.text('Once upon a time ');
      await chat.sees('Once upon a time');
      const node = await owner();
      await until(async () => (await call('GET', `${node.url}/llm/cluster`)).body.behind === 0);
      fleet.leave(node);
      await node.program.kill();
      await chat.sees('node_lost');
      await chat.sees('Once upon a time');
      await chat.ask('And then?');
      (await stage.upstream.nextCall()).text('They lived happily.').done();
      await chat.sees('They lived happily.');
      await chat.answered();
      expect(chat.offences).toEqual([]);
    });
  });
});
