class TillTest {

    @Before
    void setUp() {
        open();
    }
}
