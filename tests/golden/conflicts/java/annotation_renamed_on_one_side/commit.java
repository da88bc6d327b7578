class TillTest {

    @Before
    void clean() {
        drop();
    }

    @Before
    void setUp() {
        open();
    }
}
